import type { BetterAuthPlugin } from 'better-auth'
import { APIError } from 'better-auth/api'
import type { BetterAuthOptions } from 'better-auth/minimal'

/** Has BetterAuth make no new user, by whatever sign-in, unless an administrator or the operator's own code asks for it. */
export function closeSignUp(): BetterAuthPlugin {
  const databaseHooks: BetterAuthOptions['databaseHooks'] = {
    user: {
      create: {
        before: async (_user, context) => {
          // No request: the operator's own code. `/admin/create-user` checks for an administrator itself.
          if (context?.request === undefined || context.path === '/admin/create-user') return
          throw new APIError('FORBIDDEN', { code: 'SIGN_UP_DISABLED', message: 'Sign-up is closed' })
        }
      }
    }
  }
  return { id: 'gatehouse-closed-sign-up', init: () => ({ options: { databaseHooks } }) }
}
