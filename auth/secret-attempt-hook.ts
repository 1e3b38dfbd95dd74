import { createAuthMiddleware, dispatchAuthEndpoint, getIP, getSession } from 'better-auth/api'
import { isRecord } from '../db/type-guards.ts'
import { passwordFields } from './input-limits.ts'
import { noteLockedEndpoint } from './optimistic-lock.ts'
import type { RateLimits } from './rate-limit.ts'
import { type Account, accountOf } from './secret-endpoints.ts'
import { noteEndpoint } from './user-enumeration.ts'

type HookContext = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

const readSession = getSession()

/**
 * BetterAuth's first hook: wherever BetterAuth would say whether a secret is the right one, it counts an attempt against
 * the account that the secret belongs to, on the parsed body, before the secret is compared. What is sent a password will
 * hash it, and is counted before anything is looked up, written or used up.
 */
export function countSecretAttempts(limits: RateLimits) {
  return createAuthMiddleware(async (context) => {
    const { path, request, body, query } = context
    // Without a request the caller is the gateway or the operator's own code.
    if (request === undefined) return
    const address = getIP(request, context.context.options) ?? 'unknown'
    limits.noteEndpoint({ address, path })
    const account = accountOf(path)
    if (account !== undefined) {
      const names = account === 'nobody' ? undefined : await accountNames(context, account)
      await limits.countAttempt({ address, path, ...(names && { names }) })
    }
    if (isRecord(body) && Object.keys(body).some((field) => passwordFields.has(field))) await limits.countPassword()
    noteEndpoint(path, body)
    noteLockedEndpoint(path, query)
  })
}

async function accountNames(context: HookContext, account: Exclude<Account, 'nobody'>): Promise<string[]> {
  // All of them: were only the first counted, a made-up one in front would hide the account that is meant.
  if (account === 'named') return textsIn(context.body, 'email', 'username', 'phoneNumber')
  const names = await sessionUser(context)
  return names.length === 0 && account === 'pending' ? pendingUser(context) : names
}

/**
 * The user who is signed in, by the name that signing in counts under, so that a password has one count, and by the id,
 * so that another address does not begin a new one. Whatever BetterAuth takes for a session counts: a bearer token too,
 * which a hook of its plugin turns into a cookie for the endpoint that is called, and for no other hook.
 */
async function sessionUser({ context, headers }: HookContext): Promise<string[]> {
  const query = { disableCookieCache: true, disableRefresh: true }
  const call = { context, ...(headers !== undefined && { headers }), query, method: 'GET', asResponse: false } as const
  const found: unknown = await dispatchAuthEndpoint(readSession, call)
  return isRecord(found) ? textsIn(found['user'], 'id', 'email') : []
}

/** The user whose password was right and whose second factor is asked for now, found by the two-factor plugin's cookie. */
async function pendingUser(context: HookContext): Promise<string[]> {
  const { createAuthCookie, secret, internalAdapter } = context.context
  const attempt = await context.getSignedCookie(createAuthCookie('two_factor').name, secret)
  if (typeof attempt !== 'string') return []
  const found = await internalAdapter.findVerificationValue(attempt)
  return found === null ? [] : [found.value]
}

function textsIn(source: unknown, ...keys: readonly string[]): string[] {
  return isRecord(source) ? keys.map((key) => source[key]).filter((value) => typeof value === 'string') : []
}
