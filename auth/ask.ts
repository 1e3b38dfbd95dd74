import { watchStoreFailures } from '../db/failure-scope.ts'
import { type AuthLog, describeError } from './auth-logger.ts'
import type { Auth } from './better-auth.ts'
import { AuthFailedError, RateLimitedError, SessionStoreUnavailableError } from './errors.ts'
import type { RateLimits } from './rate-limit.ts'
import type { Turns } from './turns.ts'

export interface AskOptions {
  readonly auth: Pick<Auth, 'handler'>
  readonly limits: RateLimits
  /** The turns of everything that hashes a password. */
  readonly passwordTurns: Turns
  readonly log: Pick<AuthLog, 'error'>
}

/**
 * Puts one request to BetterAuth, under the gateway's limits; `requestId` is what a failure is logged under. What BetterAuth refuses is a response; a coded error is
 * thrown for too many attempts, for a store that cannot answer, and for what broke inside.
 */
export type AskAuth = (question: Request, requestId: string) => Promise<Response>

/** The one way to BetterAuth, shared by whoever asks it, so that limits and turns count for all of them together. */
export function createAskAuth({ auth, limits, passwordTurns, log }: AskOptions): AskAuth {
  return function askAuth(question, requestId) {
    const asking = () => limits.run(ask)
    // BetterAuth hashes a new user's password inside a transaction: waiting there, sixty sign-ups at once held every
    // connection for seconds, and sessions could not be looked up meanwhile. So they wait before it begins.
    return new URL(question.url).pathname.startsWith('/api/auth/sign-up') ? passwordTurns(asking) : asking()

    async function ask(): Promise<Response> {
      const asked = await watchStoreFailures(() => auth.handler(question))
      // BetterAuth answers 401 or 500 to some failed queries, and clears cookies: an outage must sign nobody out.
      if (asked.storeFailed) throw new SessionStoreUnavailableError()
      if (asked.ok) return refuseIfLimited(asked.result)
      if (asked.error instanceof RateLimitedError) throw asked.error
      log.error({ requestId, failure: describeError(asked.error) }, 'auth: a request failed')
      throw new AuthFailedError()
    }
  }
}

function refuseIfLimited(response: Response): Response {
  if (response.status !== 429) return response
  throw new RateLimitedError(Number(response.headers.get('x-retry-after')) || 1)
}
