import { methods } from '../../auth/http-methods.ts'
import { type RefusalCode, refusals } from '../../auth/refusals.ts'

const beginnings = new Map<RefusalCode, string>()

/**
 * The body of a refusal in the form of RFC 9457, as JSON, for the request with this id. FastAPI's clients find their
 * sentence in `detail`. All of the body but the id is the same each time, and is made once: a flood of forged cookies is
 * refused with it.
 */
export function problemBody(code: RefusalCode, requestId: string): string {
  const beginning = beginnings.get(code) ?? beginningOf(code)
  return `${beginning}${JSON.stringify(requestId)}}`
}

function beginningOf(code: RefusalCode): string {
  const [status, title, detail] = refusals[code]
  const type = `urn:gatehouse:problem:${code.toLowerCase().replaceAll('_', '-')}`
  const beginning = `${JSON.stringify({ type, title, status, detail, code }).slice(0, -1)},"requestId":`
  beginnings.set(code, beginning)
  return beginning
}

/** The headers that belong to a refusal beside its body. `retryAfter` is in seconds. */
export function problemHeaders(code: RefusalCode, retryAfter?: number): Record<string, string> {
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' }
  if (code === 'SESSION_REQUIRED') headers['WWW-Authenticate'] = 'Cookie realm="gatehouse"'
  if (code === 'METHOD_NOT_ALLOWED') headers['Allow'] = methods.join(', ')
  if (retryAfter !== undefined) headers['Retry-After'] = String(Math.max(1, Math.ceil(retryAfter)))
  else if (code === 'SESSION_STORE_UNAVAILABLE' || code === 'UPSTREAM_BUSY') headers['Retry-After'] = '2'
  return headers
}

/** A whole HTTP/1.1 response for a connection that has no request which Fastify could answer. */
export function rawProblemResponse(code: RefusalCode, requestId: string): string {
  const [status, title] = refusals[code]
  const body = problemBody(code, requestId)
  const headers = {
    ...problemHeaders(code),
    'X-Request-Id': requestId,
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close'
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return `HTTP/1.1 ${status} ${title}\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}
