import type { Logger } from 'pino'
import { type FailureKind, failureKind } from '../db/failure-kind.ts'
import { type Watched, watchStoreFailures } from '../db/store-failure-context.ts'
import type { Auth, AuthOptions } from './better-auth.ts'
import type { BetterAuthCookies } from './better-auth-cookie-rewriting.ts'
import { requireSaneQuery } from './input-limits.ts'
import { withOptimisticLock } from './optimistic-lock.ts'
import { inputRefused, isRefusal, Refusal, rateLimited, storeUnavailable } from './refusals.ts'
import type { ConsumedTokens } from './restore-consumed-tokens.ts'
import { withIdentityProviders } from './sso-trusted-origins.ts'
import { answerUniformly } from './user-enumeration.ts'

export interface AuthCallerOptions extends Pick<AuthOptions, 'limits' | 'passwordHashLimit' | 'background'> {
  readonly auth: Pick<Auth, 'handler' | '$context'>
  readonly cookies: BetterAuthCookies
  readonly consumedTokens: ConsumedTokens
  /** The path that BetterAuth is below. */
  readonly basePath: string
  readonly log: Pick<Logger, 'error'>
}

/**
 * Calls BetterAuth with one request, under the gateway's limits; `requestId` is what a failure is logged under. What
 * BetterAuth refuses is a response; a coded error is thrown for a request that cannot be processed, for too many attempts,
 * for a store that cannot answer, and for a failure inside BetterAuth.
 */
export type CallAuth = (request: Request, requestId: string) => Promise<Response>

/** The one way to BetterAuth, shared by all callers, so that limits hold for all of them together. */
export function createAuthCaller(options: AuthCallerOptions): CallAuth {
  const { auth, basePath, cookies, consumedTokens, limits, passwordHashLimit, log, background } = options
  return async function callAuth(request, requestId) {
    requireSaneQuery(request.url)
    const path = new URL(request.url).pathname.slice(basePath.length)
    const given = request.headers.get('cookie') ?? ''
    const shown = cookies.forBetterAuth(given, path)
    // An empty header would still be one to BetterAuth, which then asks for an `Origin`.
    if (shown === '') request.headers.delete('cookie')
    else request.headers.set('cookie', shown)
    const watched = () =>
      watchStoreFailures(() => withOptimisticLock(() => withIdentityProviders(path, () => auth.handler(request))))
    const limited = () => limits.run(call)
    // BetterAuth hashes a new user's password inside a transaction: waiting there, sixty simultaneous sign-ups held every
    // database connection for seconds, and sessions could not be looked up. So they wait before the transaction begins.
    return path.startsWith('/sign-up') ? passwordHashLimit(limited) : limited()

    async function call(): Promise<Response> {
      const { early, rest } = await answerUniformly(
        () => consumedTokens.keepOnFailure(path, watched),
        (outcome) => outcome.ok && !outcome.storeFailed && outcome.result.status === 401,
        auth
      )
      if (early === undefined) return await forBrowser(responseOf(await rest))
      const finished = rest.then(responseOf).then(
        () => {},
        () => log.error({ requestId }, 'auth: what should follow an answer failed')
      )
      background?.(finished)
      return early
    }

    async function forBrowser(response: Response): Promise<Response> {
      const headers = new Headers(response.headers)
      headers.delete('set-cookie')
      for (const cookie of await cookies.forBrowser(response.headers.getSetCookie(), given))
        headers.append('set-cookie', cookie)
      return new Response(response.body, { status: response.status, headers })
    }

    function responseOf(outcome: Watched<Response>): Response {
      // BetterAuth answers 401 or 500 to some failed queries, and clears cookies: an outage must sign nobody out.
      if (outcome.storeFailed) throw storeUnavailable()
      if (outcome.ok && !outcome.failures.has('broken')) return checkedResponse(outcome.result, outcome.failures)
      if (!outcome.ok) {
        if (isRefusal(outcome.error, 'RATE_LIMITED') || isRefusal(outcome.error, 'REQUEST_INVALID')) throw outcome.error
        if (failureKind(outcome.error) === 'input') throw inputRefused()
      }
      log.error({ requestId, err: outcome.ok ? undefined : outcome.error }, 'auth: a request failed')
      throw new Refusal('INTERNAL_ERROR')
    }
  }
}

/** The response, unless it is BetterAuth's for too many attempts or for input that the database rejected: then throws. */
function checkedResponse(response: Response, failures: ReadonlySet<FailureKind>): Response {
  if (response.status >= 500 && failures.has('input')) throw inputRefused()
  if (response.status !== 429) return response
  throw rateLimited(Number(response.headers.get('x-retry-after')) || 1)
}
