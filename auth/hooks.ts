import { APIError, createAuthMiddleware, getIP } from 'better-auth/api'
import type { BetterAuthOptions } from 'better-auth/minimal'
import type { RateLimits } from './rate-limit.ts'

type Plugin = NonNullable<BetterAuthOptions['plugins']>[number]
type BeforeHook = NonNullable<BetterAuthOptions['hooks']>['before']

/** Who is told when a session or a user is not what it was. */
export interface SessionChanges {
  sessionChanged(token: string): void
  userChanged(userId: string): void
}

/** The first of all hooks: counts an attempt to sign in with a password, on the parsed body, before any hashing. */
export function limitSignIns(limits: RateLimits) {
  return createAuthMiddleware(async (context) => {
    const body: unknown = context.body
    if (!context.path.startsWith('/sign-in/') || !isRecord(body) || typeof body['password'] !== 'string') return
    // All of them: were only the first counted, a made-up one in front would hide the account that is meant.
    const names = [body['email'], body['username'], body['phoneNumber']].filter((name) => typeof name === 'string')
    const address = getIP(context.request ?? new Headers(), context.context.options) ?? 'unknown'
    await limits.announce({ names, address })
  })
}

/** The policy file's own `hooks.before`, run right after ours. */
export function policyHooks(before: BeforeHook): Plugin {
  return {
    id: 'gatehouse-policy',
    hooks: before === undefined ? {} : { before: [{ matcher: () => true, handler: before }] }
  }
}

// BetterAuth names the first hundred sessions that it deletes together, and no more: wherever there may be several, the
// user's are all in doubt.
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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
