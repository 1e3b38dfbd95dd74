import { randomInt } from 'node:crypto'
import createError from '@fastify/error'
import { failureKind } from '../db/store-failure-context.ts'

const RateLimited = createError('RATE_LIMITED', 'RATE_LIMITED', 429)
const SessionStoreUnavailable = createError('SESSION_STORE_UNAVAILABLE', 'SESSION_STORE_UNAVAILABLE', 503)

/** Too many attempts. `retryAfter` is in whole seconds, for `Retry-After`. */
export class RateLimitedError extends RateLimited {
  readonly retryAfter: number

  constructor(retryAfter: number) {
    super()
    this.retryAfter = Math.max(1, Math.ceil(retryAfter))
  }
}

/** The database cannot answer. `retryAfter` is in seconds and spread over 1 to 5, so that clients do not come back as one. */
export class SessionStoreUnavailableError extends SessionStoreUnavailable {
  readonly retryAfter: number

  constructor() {
    super()
    this.retryAfter = randomInt(1, 6)
  }
}

/** A body under `/api/auth` that is over the limit. */
export const AuthBodyTooLargeError = createError('BODY_TOO_LARGE', 'BODY_TOO_LARGE', 413)

const RequestInvalid = createError('REQUEST_INVALID', 'REQUEST_INVALID', 400)

/** A body under `/api/auth` whose JSON is nested deeper than anything that is meant. */
export const AuthBodyNestedError = RequestInvalid

/** What was sent can be no answer to what was asked: too long, or no text that can be stored. */
export class AuthInputError extends RequestInvalid {
  /** The field that it is about, where one is known; one of ours or of a plugin's, or the client's own. */
  readonly field: string | undefined

  constructor(field?: string) {
    super()
    this.field = field
  }
}

/** Something broke inside BetterAuth. Carries no cause: a failed query's message holds its parameters, tokens included. */
export const AuthFailedError = createError('INTERNAL_ERROR', 'INTERNAL_ERROR', 500)

/** There is no such page. */
export const PageNotFoundError = createError('NOT_FOUND', 'NOT_FOUND', 404)

/** A form of the built-in pages that was sent from somewhere else. */
export const FormOriginError = createError('ORIGIN_FORBIDDEN', 'ORIGIN_FORBIDDEN', 403)

/** The refusal for a session that could not be read: an outage, or, where the statement itself was at fault, our failure. */
export function sessionReadFailed(cause: unknown): Error {
  const refusal = failureKind(cause) === 'away' ? new SessionStoreUnavailableError() : new AuthFailedError()
  refusal.cause = cause
  return refusal
}
