import type { IncomingMessage } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { methods } from '../../auth/http-methods.ts'
import { type RefusalCode, refusals } from '../../auth/refusals.ts'
import { NamedRequest } from '../server/access-log.ts'

/** A refusal as RFC 9457 has it. FastAPI's clients find their sentence in `detail`. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: RefusalCode
  readonly requestId: string
}

/** The refusal with this code, for the request with this id. */
export function problemOf(code: RefusalCode, requestId: string): Problem {
  const [status, title, detail] = refusals[code]
  const type = `urn:gatehouse:problem:${code.toLowerCase().replaceAll('_', '-')}`
  return { type, title, status, detail, code, requestId }
}

/** The headers that belong to a refusal beside its body. `retryAfter` is in seconds. */
export function problemHeaders(code: RefusalCode, retryAfter?: number): Record<string, string> {
  const headers: Record<string, string> = {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store'
  }
  if (code === 'SESSION_REQUIRED') headers['WWW-Authenticate'] = 'Cookie realm="gatehouse"'
  if (code === 'METHOD_NOT_ALLOWED') headers['Allow'] = methods.join(', ')
  if (retryAfter !== undefined) headers['Retry-After'] = String(Math.max(1, Math.ceil(retryAfter)))
  else if (code === 'SESSION_STORE_UNAVAILABLE' || code === 'UPSTREAM_BUSY') headers['Retry-After'] = '2'
  return headers
}

/** Fastify's error handler: every failure leaves as a problem, and what nobody foresaw as INTERNAL_ERROR, logged. */
export function createRefuse(log: Logger) {
  return function refuse(
    error: FastifyError & { retryAfter?: number },
    request: FastifyRequest,
    reply: FastifyReply
  ): void {
    const code = problemCodeOf(error)
    const problem = problemOf(code, request.id)
    reportProblem(problem, error, log, request.raw)
    reply
      .code(problem.status)
      .headers(problemHeaders(code, error.retryAfter))
      // A text that is sent as it is: without this Fastify adds a charset, which JSON has none of; bytes instead of a text
      // would be written apart from the head.
      .serializer(asItIs)
      .send(JSON.stringify(problem))
  }
}

function asItIs(text: string): string {
  return text
}

/** Logs what an operator has to know of a refusal: what failed, and what nobody foresaw. */
export function reportProblem(
  { code, status, requestId }: Problem,
  error: FastifyError,
  log: Logger,
  request: IncomingMessage
): void {
  // For the request's own line.
  if (request instanceof NamedRequest) request.code = code
  if (code === 'INTERNAL_ERROR') log.error({ requestId, err: error }, 'request failed')
  else if (status >= 500) log.warn({ requestId, code, err: error.cause }, 'request refused')
}

/** A whole HTTP/1.1 response for a connection that has no request Fastify could answer. */
export function rawProblem(code: RefusalCode, requestId: string): string {
  const problem = problemOf(code, requestId)
  const body = JSON.stringify(problem)
  const headers = {
    ...problemHeaders(code),
    'X-Request-Id': requestId,
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close'
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return `HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(refusals, code)
}

/** The code that an error has, or comes to. */
export function problemCodeOf({ code, statusCode }: FastifyError): RefusalCode {
  if (typeof code === 'string' && isRefusalCode(code)) return code
  if (statusCode === 413) return 'BODY_TOO_LARGE'
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return 'REQUEST_INVALID'
  return 'INTERNAL_ERROR'
}
