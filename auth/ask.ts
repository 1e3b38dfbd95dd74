import type { ConcurrencyLimit } from '../db/semaphore.ts'
import { type FailureKind, failureKind, type Watched, watchStoreFailures } from '../db/store-failure-context.ts'
import { type AuthLog, describeError } from './auth-logger.ts'
import type { Auth } from './better-auth.ts'
import { AuthFailedError, AuthInputError, RateLimitedError, SessionStoreUnavailableError } from './errors.ts'
import { answerEvenly } from './even-answers.ts'
import { requireSaneQuery } from './input-limits.ts'
import type { RateLimits } from './rate-limit.ts'

export interface AskOptions {
  readonly auth: Pick<Auth, 'handler' | '$context'>
  readonly limits: RateLimits
  /** The turns of everything that hashes a password. */
  readonly passwordTurns: ConcurrencyLimit
  readonly log: Pick<AuthLog, 'error'>
  /** Is handed what goes on after an answer; it never rejects. By default it is left to itself. */
  readonly background?: ((task: Promise<void>) => void) | undefined
}

/**
 * Puts one request to BetterAuth, under the gateway's limits; `requestId` is what a failure is logged under. What BetterAuth refuses is a response; a coded error is
 * thrown for what cannot be taken in, for too many attempts, for a store that cannot answer, and for what broke inside.
 */
export type AskAuth = (question: Request, requestId: string) => Promise<Response>

/** The one way to BetterAuth, shared by whoever asks it, so that limits and turns count for all of them together. */
export function createAskAuth({ auth, limits, passwordTurns, log, background }: AskOptions): AskAuth {
  return async function askAuth(question, requestId) {
    const asking = () => limits.run(ask)
    requireSaneQuery(question.url)
    // BetterAuth hashes a new user's password inside a transaction: waiting there, sixty sign-ups at once held every
    // connection for seconds, and sessions could not be looked up meanwhile. So they wait before it begins.
    return new URL(question.url).pathname.startsWith('/api/auth/sign-up') ? passwordTurns(asking) : asking()

    async function ask(): Promise<Response> {
      const { early, rest } = await answerEvenly(
        () => watchStoreFailures(() => auth.handler(question)),
        (asked) => asked.ok && !asked.storeFailed && asked.result.status === 401,
        auth
      )
      if (early === undefined) return responseOf(await rest)
      const followed = rest.then(responseOf).then(
        () => {},
        () => log.error({ requestId }, 'auth: what should follow an answer failed')
      )
      background?.(followed)
      return early
    }

    function responseOf(asked: Watched<Response>): Response {
      // BetterAuth answers 401 or 500 to some failed queries, and clears cookies: an outage must sign nobody out.
      if (asked.storeFailed) throw new SessionStoreUnavailableError()
      if (asked.ok && !asked.failures.has('broken')) return refuseIfAtFault(asked.result, asked.failures)
      if (!asked.ok) {
        if (asked.error instanceof RateLimitedError || asked.error instanceof AuthInputError) throw asked.error
        if (failureKind(asked.error) === 'input') throw new AuthInputError()
      }
      log.error({ requestId, failure: asked.ok ? undefined : describeError(asked.error) }, 'auth: a request failed')
      throw new AuthFailedError()
    }
  }
}

function refuseIfAtFault(response: Response, failures: ReadonlySet<FailureKind>): Response {
  // What the database could not take came from the request.
  if (response.status >= 500 && failures.has('input')) throw new AuthInputError()
  if (response.status !== 429) return response
  throw new RateLimitedError(Number(response.headers.get('x-retry-after')) || 1)
}
