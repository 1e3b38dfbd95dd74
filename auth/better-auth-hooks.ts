import {
  APIError,
  createAuthEndpoint,
  createAuthMiddleware,
  dispatchAuthEndpoint,
  getIP,
  getSession,
  sensitiveSessionMiddleware
} from 'better-auth/api'
import type { BetterAuthOptions } from 'better-auth/minimal'
import { isRecord } from '../db/narrowing.ts'
import type { RateLimits } from './rate-limit.ts'
import { type Account, accountOf } from './secret-endpoints.ts'
import { reached } from './user-enumeration.ts'

type Plugin = NonNullable<BetterAuthOptions['plugins']>[number]
type BeforeHook = NonNullable<BetterAuthOptions['hooks']>['before']

/** Who is told when a session or a user is not what it was. */
export interface SessionChanges {
  sessionChanged(token: string): void
  userChanged(userId: string): void
}

type HookContext = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

const readSession = getSession()

/**
 * The first of all hooks: counts an attempt wherever BetterAuth would say whether a secret is the right one, against the
 * account that it belongs to, on the parsed body, before the secret is looked at.
 */
export function limitSecrets(limits: RateLimits) {
  return createAuthMiddleware(async (context) => {
    const account = accountOf(context.path)
    // Without a request it is the gateway or the operator's own code that asks.
    if (context.request === undefined) return
    if (account !== undefined) await count(context, account)
    reached(context.path, context.body)
  })

  async function count(context: HookContext, account: Account): Promise<void> {
    if (context.request === undefined) return
    const address = getIP(context.request, context.context.options) ?? 'unknown'
    if (account === 'nobody') await limits.announceToken({ path: context.path, address })
    else if (account === 'named') await limits.announce({ names: namesIn(context.body), address })
    else {
      const names = await sessionUser(context)
      if (names.length === 0 && account === 'pending') names.push(...(await pendingUser(context)))
      await limits.announce({ names, address })
    }
  }
}

// All of them: were only the first counted, a made-up one in front would hide the account that is meant.
function namesIn(body: unknown): string[] {
  if (!isRecord(body)) return []
  return [body['email'], body['username'], body['phoneNumber']].filter((name) => typeof name === 'string')
}

/**
 * The user who is signed in, by the name that signing in counts under, so that a password has one count, and by the id,
 * so that another address does not begin a new one. Whatever BetterAuth takes for a session counts: a bearer token too,
 * which a hook of its plugin turns into a cookie for the endpoint that is asked, and for no other hook.
 */
async function sessionUser({ context, headers }: HookContext): Promise<string[]> {
  const query = { disableCookieCache: true, disableRefresh: true }
  const found: unknown = await dispatchAuthEndpoint(readSession, {
    context,
    ...(headers !== undefined && { headers }),
    query,
    method: 'GET',
    asResponse: false
  })
  const user = isRecord(found) && isRecord(found['user']) ? found['user'] : {}
  return [user['id'], user['email']].filter((name) => typeof name === 'string')
}

/** The user whose password was right, and whose second factor is asked for now: the two-factor plugin's cookie says who. */
async function pendingUser(context: HookContext): Promise<string[]> {
  const { createAuthCookie, secret, internalAdapter } = context.context
  const attempt = await context.getSignedCookie(createAuthCookie('two_factor').name, secret)
  if (typeof attempt !== 'string') return []
  const found = await internalAdapter.findVerificationValue(attempt)
  return found === null ? [] : [found.value]
}

/** The policy file's own `hooks.before`, run right after ours. */
export function policyHooks(before: BeforeHook): Plugin {
  return {
    id: 'gatehouse-policy',
    hooks: before === undefined ? {} : { before: [{ matcher: () => true, handler: before }] }
  }
}

// BetterAuth names the first thousand (`mostRows`) of the sessions that it deletes together, and no more: wherever there
// may be several, the user's are all in doubt.
const endsOne = new Set(['/sign-out', '/revoke-session', '/get-session', '/admin/revoke-user-session'])

/**
 * Tells of every session and user that BetterAuth changes or deletes, ahead of other hooks on the same rows. Where
 * sign-up is closed it also refuses new users that nobody with the right to made.
 */
export function watchChanges(changes: SessionChanges, publicSignUp: boolean): Plugin {
  const sessionChanged = (row: unknown) => tell('token', row, changes.sessionChanged)
  const userChanged = (row: unknown) => tell('id', row, changes.userChanged)
  const databaseHooks: BetterAuthOptions['databaseHooks'] = {
    session: {
      update: { after: async (row) => sessionChanged(row) },
      delete: {
        after: async (row, context) => {
          sessionChanged(row)
          if (!endsOne.has(context?.path ?? '')) tell('userId', row, changes.userChanged)
        }
      }
    },
    user: {
      create: {
        before: async (_user, context) => {
          // No request: the operator's own code. `/admin/create-user` asks for an administrator itself.
          if (publicSignUp || context?.request === undefined || context.path === '/admin/create-user') return
          throw new APIError('FORBIDDEN', { code: 'SIGN_UP_DISABLED', message: 'Sign-up is closed' })
        }
      },
      update: { after: async (row) => userChanged(row) },
      delete: { after: async (row) => userChanged(row) }
    }
  }
  return { id: 'gatehouse', init: () => ({ options: { databaseHooks } }) }
}

// The rows are gone already: a hook that throws now would only make BetterAuth answer 500 about it.
function tell(key: string, row: unknown, listener: (value: string) => void): void {
  const value = isRecord(row) ? row[key] : undefined
  if (typeof value !== 'string') return
  try {
    listener(value)
  } catch {}
}

/** How many rows BetterAuth reads where it asks for all of them: sessions, accounts, members, teams, keys of one owner. */
export const mostRows = 1_000

// A statement that names so many is short work for the database.
const batch = 500

/**
 * `/revoke-other-sessions` that ends all of them, however many there are, and answers as BetterAuth's own, in whose place
 * it stands: that one lists the first so many, and deletes them all at once, two statements each.
 */
export function revokeAllOthers(): Plugin {
  const revokeOtherSessions = createAuthEndpoint(
    '/revoke-other-sessions',
    { method: 'POST', requireHeaders: true, use: [sensitiveSessionMiddleware] },
    async (context) => {
      const { adapter, internalAdapter, session: asking } = context.context
      const { token, userId } = asking.session
      // In the order of their ids, so that it comes to an end while others sign in, and where a hook keeps some.
      for (let after = ''; ; ) {
        const found = await adapter.findMany<{ id: string; token: string }>({
          model: 'session',
          where: [
            { field: 'userId', value: userId },
            { field: 'token', operator: 'ne', value: token },
            { field: 'id', operator: 'gt', value: after }
          ],
          sortBy: { field: 'id', direction: 'asc' },
          limit: batch
        })
        const last = found.at(-1)
        if (last === undefined) return context.json({ status: true })
        after = last.id
        const tokens = found.map((one) => one.token)
        await internalAdapter.deleteSessions(tokens)
        // A hook that keeps one session has kept the whole batch.
        for (const { session } of await internalAdapter.findSessions(tokens))
          await internalAdapter.deleteSession(session.token)
      }
    }
  )
  return { id: 'gatehouse-revocation', endpoints: { revokeOtherSessions } }
}
