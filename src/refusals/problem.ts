import type { IncomingMessage } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { methods } from '../../auth/http-methods.ts'
import { NamedRequest } from '../server/access-log.ts'

interface Wording {
  readonly status: number
  readonly title: string
  readonly detail: string
}

/** Every refusal of the gateway: its code, its status, and what the reader can do about it. */
const wordings = {
  PATH_AMBIGUOUS: [
    400,
    'Ambiguous path',
    'The path could be read in two ways. Send it without dot segments, empty segments, backslashes, encoded slashes and control characters.'
  ],
  HOST_INVALID: [
    400,
    'Invalid Host',
    'The Host header is missing, malformed or doubled. Send exactly one, with a name and perhaps a port.'
  ],
  COOKIE_AMBIGUOUS: [
    400,
    'Ambiguous session cookie',
    'Two different session cookies came in one request. Clear the cookies of this site and sign in again.'
  ],
  REQUEST_MALFORMED: [
    400,
    'Malformed request',
    'The request is not valid HTTP/1.1. Send it again with a client that follows RFC 9112.'
  ],
  REQUEST_INVALID: [400, 'Invalid request', 'The request could not be read. Check its headers and body.'],
  UPGRADE_UNSUPPORTED: [
    400,
    'Unsupported upgrade',
    'Only WebSocket upgrades are answered. Send the request without the Upgrade header.'
  ],
  SESSION_REQUIRED: [401, 'Session required', 'This needs a valid session. Sign in, and send the session cookie.'],
  ORIGIN_FORBIDDEN: [
    403,
    'Origin not allowed',
    'This request came from a site that is not trusted. Send it from the public origin, or have its operator add yours to TRUSTED_ORIGINS.'
  ],
  ROLE_REQUIRED: [
    403,
    'Role required',
    'You are signed in, but this is for people with another role. Ask an administrator for it.'
  ],
  EMAIL_UNVERIFIED: [
    403,
    'Email not verified',
    'This needs a verified email address. Open the link in the mail that was sent to you, or have another one sent.'
  ],
  SESSION_NOT_FRESH: [
    403,
    'Session not fresh',
    'This needs somebody who signed in a short while ago. Sign in again, then repeat it.'
  ],
  NOT_FOUND: [404, 'Not found', 'There is nothing here. Check the address.'],
  METHOD_NOT_ALLOWED: [405, 'Method not allowed', 'This method is not served. Use one of those in the Allow header.'],
  REQUEST_TIMEOUT: [
    408,
    'Request timeout',
    'The request did not arrive in time. Send it again over a faster connection.'
  ],
  BODY_TOO_LARGE: [
    413,
    'Body too large',
    'The request body is larger than this gateway accepts. Send less, or have its operator raise MAX_BODY_BYTES, or MAX_AUTH_BODY_BYTES for what is below /api/auth and /auth.'
  ],
  HOST_UNKNOWN: [
    421,
    'Unknown Host',
    'This gateway does not answer for this Host. Use its public origin, or have its operator add the name to ALLOWED_HOSTS.'
  ],
  RATE_LIMITED: [
    429,
    'Too many attempts',
    'There were too many attempts. Wait for the seconds in the Retry-After header, then try again.'
  ],
  HEADERS_TOO_LARGE: [
    431,
    'Headers too large',
    'The request headers are larger than this gateway accepts. Clear the cookies of this site, or send less.'
  ],
  INTERNAL_ERROR: [
    500,
    'Internal error',
    'The gateway failed. Try again; if it stays, give its operator the request id.'
  ],
  UPSTREAM_UNREACHABLE: [
    502,
    'Upstream unreachable',
    'The application behind the gateway cannot be reached. Try again in a moment.'
  ],
  UPSTREAM_FAILED: [
    502,
    'Upstream failed',
    'The application behind the gateway broke off before it answered. Try again in a moment.'
  ],
  UPSTREAM_BUSY: [
    503,
    'Upstream busy',
    'The application behind the gateway has as much to do as it may have. Try again after the seconds in the Retry-After header.'
  ],
  SESSION_STORE_UNAVAILABLE: [
    503,
    'Session store unavailable',
    'Sessions cannot be checked right now. Nobody was signed out: try again after the seconds in the Retry-After header.'
  ],
  UPSTREAM_TIMEOUT: [
    504,
    'Upstream timeout',
    'The application behind the gateway did not answer in time. Try again in a moment.'
  ]
} as const satisfies Record<string, readonly [number, string, string]>

export type ProblemCode = keyof typeof wordings

/** A refusal as RFC 9457 has it. FastAPI's clients find their sentence in `detail`. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ProblemCode
  readonly requestId: string
}

/** The refusal with this code, for the request with this id. */
export function problemOf(code: ProblemCode, requestId: string): Problem {
  const { status, title, detail } = wordingOf(code)
  const type = `urn:gatehouse:problem:${code.toLowerCase().replaceAll('_', '-')}`
  return { type, title, status, detail, code, requestId }
}

/** The headers that belong to a refusal beside its body. `retryAfter` is in seconds. */
export function problemHeaders(code: ProblemCode, retryAfter?: number): Record<string, string> {
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
export function rawProblem(code: ProblemCode, requestId: string): string {
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

function wordingOf(code: ProblemCode): Wording {
  const [status, title, detail] = wordings[code]
  return { status, title, detail }
}

function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(wordings, code)
}

/** The code that an error has, or comes to. */
export function problemCodeOf({ code, statusCode }: FastifyError): ProblemCode {
  if (typeof code === 'string' && isProblemCode(code)) return code
  if (statusCode === 413) return 'BODY_TOO_LARGE'
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return 'REQUEST_INVALID'
  return 'INTERNAL_ERROR'
}
