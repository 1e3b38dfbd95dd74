import { createAuthMiddleware, dispatchAuthEndpoint, getIP, getSession } from 'better-auth/api'
import { isRecord } from '../db/type-guards.ts'
import { noteLockedEndpoint } from './optimistic-lock.ts'
import type { RateLimits } from './rate-limit.ts'
import { noteEndpoint } from './user-enumeration.ts'

/**
 * Whose secret an endpoint judges, so that wrong ones can be counted against that account:
 * - `named`: the account that the body names by its email, username or phone number;
 * - `session`: the user of the session;
 * - `pending`: the user of the session or, where there is none yet, the one whose second factor is asked for;
 * - `nobody`: the secret is all that there is, such as a mailed token. Only the client's address can be counted.
 */
export type Account = 'named' | 'session' | 'pending' | 'nobody'

/** Every path of BetterAuth and of the plugins in `better-auth/plugins` that tells whether a secret is the right one. */
export const secretEndpoints: Readonly<Record<string, Account>> = {
  '/change-password': 'session',
  '/delete-user': 'session',
  '/delete-user/callback': 'session',
  '/reset-password': 'nobody',
  '/reset-password/:token': 'nobody',
  '/sign-in/email': 'named',
  '/verify-email': 'nobody',
  '/verify-password': 'session',

  // device-authorization
  '/device': 'nobody',
  '/device/approve': 'session',
  '/device/deny': 'session',
  '/device/token': 'nobody',

  // email-otp
  '/email-otp/change-email': 'session',
  '/email-otp/check-verification-otp': 'named',
  '/email-otp/request-email-change': 'session',
  '/email-otp/reset-password': 'named',
  '/email-otp/verify-email': 'named',
  '/sign-in/email-otp': 'named',

  // magic-link
  '/magic-link/verify': 'nobody',

  // one-time-token
  '/one-time-token/verify': 'nobody',

  // phone-number
  '/phone-number/reset-password': 'named',
  '/phone-number/verify': 'named',
  '/sign-in/phone-number': 'named',

  // two-factor
  '/two-factor/disable': 'session',
  '/two-factor/enable': 'session',
  '/two-factor/generate-backup-codes': 'session',
  '/two-factor/get-totp-uri': 'session',
  '/two-factor/verify-backup-code': 'pending',
  '/two-factor/verify-otp': 'pending',
  '/two-factor/verify-totp': 'pending',

  // username
  '/sign-in/username': 'named'
}

// They mail the secret, make a new account, or trust another server's signature.
const signInsWithoutSecret = new Set(['/sign-in/anonymous', '/sign-in/magic-link', '/sign-in/social'])

/** Whose secret a path judges; undefined where it judges none, or belongs to a plugin that is not known here. */
export function accountOf(path: string): Account | undefined {
  if (Object.hasOwn(secretEndpoints, path)) return secretEndpoints[path]
  // A plugin of the policy file's own signs in like the others, by a name in the body.
  return path.startsWith('/sign-in/') && !signInsWithoutSecret.has(path) ? 'named' : undefined
}

type HookContext = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

const readSession = getSession()

/**
 * BetterAuth's first hook: wherever BetterAuth would say whether a secret is the right one, it counts an attempt against
 * the account that the secret belongs to, on the parsed body, before the secret is compared.
 */
export function countSecretAttempts(limits: RateLimits) {
  return createAuthMiddleware(async (context) => {
    const { path, request, body, query } = context
    // Without a request the caller is the gateway or the operator's own code.
    if (request === undefined) return
    const account = accountOf(path)
    if (account !== undefined) {
      const address = getIP(request, context.context.options) ?? 'unknown'
      await limits.countAttempt(
        account === 'nobody' ? { path, address } : { names: await accountNames(context, account), address }
      )
    }
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
