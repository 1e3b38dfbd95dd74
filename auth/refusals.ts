import { randomInt } from 'node:crypto'
import { failureKind } from '../db/failure-kind.ts'

/** Every refusal of the gateway by its code: status, title, and what the reader can do about it. */
export const refusals = {
  PATH_AMBIGUOUS: [
    400,
    'Ambiguous path',
    'The path could be read in two ways. Send it without dot segments, empty segments, backslashes, control characters and encoded slashes, or, for an encoded slash (%2F), have its operator say encodedSlashes: true in the rule that ends in "/*".'
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
    'The request body is larger than this gateway accepts. Send less, or have its operator raise MAX_BODY_BYTES, or MAX_AUTH_BODY_BYTES for BetterAuth and the built-in pages.'
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

export type RefusalCode = keyof typeof refusals

export interface RefusalDetails {
  /** What failed, for the log. */
  readonly cause?: unknown
  /** Seconds, for `Retry-After`; rounded up to whole ones. */
  readonly retryAfter?: number
  /** The name of the input that is refused, where one is known. It may be the client's own text. */
  readonly field?: string | undefined
}

/** A request is refused: whatever throws one is answered by `src/refusals/error-handler.ts`. It has no stack. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly statusCode: number
  readonly retryAfter: number | undefined
  readonly field: string | undefined

  constructor(code: RefusalCode, { cause, retryAfter, field }: RefusalDetails = {}) {
    const { stackTraceLimit } = Error
    // Where a refusal was thrown says nothing that its code does not, and a stack costs more than all the rest of it.
    Error.stackTraceLimit = 0
    super(code, cause === undefined ? undefined : { cause })
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
    this.statusCode = refusals[code][0]
    this.retryAfter = retryAfter === undefined ? undefined : Math.max(1, Math.ceil(retryAfter))
    this.field = field
  }
}

/** Whether an error is the refusal of this code. */
export function isRefusal(error: unknown, code: RefusalCode): error is Refusal {
  return error instanceof Refusal && error.code === code
}

/** Too many attempts, or too much at once: the client may come again after so many seconds. */
export function rateLimited(retryAfter: number): Refusal {
  return new Refusal('RATE_LIMITED', { retryAfter })
}

/** What was sent can be no answer to what was asked: too long, or no text that can be stored. */
export function inputRefused(field?: string): Refusal {
  return new Refusal('REQUEST_INVALID', { field })
}

/** The database cannot answer. Clients come back after 1 to 5 seconds, each after another, so that they do not come as one. */
export function storeUnavailable(cause?: unknown): Refusal {
  return new Refusal('SESSION_STORE_UNAVAILABLE', { cause, retryAfter: randomInt(1, 6) })
}

/** The refusal for a session that could not be read: an outage, or, where the statement itself was at fault, our failure. */
export function sessionReadFailed(cause: unknown): Refusal {
  return failureKind(cause) === 'away' ? storeUnavailable(cause) : new Refusal('INTERNAL_ERROR', { cause })
}
