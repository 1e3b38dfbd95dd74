import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'
import { isRecord } from '../db/type-guards.ts'
import { endSessions } from './revoke-other-sessions-endpoint.ts'

/**
 * Ends a user's other sessions where there are too many once another has begun: `surplusOf` reads them, some at a time.
 * As the last of all hooks: who knows a password and not the second factor has no session then, and ends nobody's. The
 * new session is stored by then, so that of sessions that begin at the same moment the last one finds all. A failure
 * fails the sign-in. Sessions in which an administrator acts as the user are left alone.
 */
export function limitSessions(surplusOf: (userId: string) => Promise<string[]>): BetterAuthPlugin {
  const endSurplus = createAuthMiddleware(async ({ context: { newSession, internalAdapter } }) => {
    const session: unknown = newSession?.session
    if (!isRecord(session) || typeof session['userId'] !== 'string' || session['impersonatedBy']) return
    let last: string | undefined
    for (;;) {
      const tokens = await surplusOf(session['userId'])
      // Those that a hook of the policy file keeps would be found for ever.
      if (tokens.length === 0 || tokens[0] === last) return
      last = tokens[0]
      await endSessions(internalAdapter, tokens)
    }
  })
  return { id: 'gatehouse-sessions-per-user', hooks: { after: [{ matcher: () => true, handler: endSurplus }] } }
}
