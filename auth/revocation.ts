import { createAuthEndpoint, sensitiveSessionMiddleware } from 'better-auth/api'
import type { BetterAuthOptions } from 'better-auth/minimal'

type Plugin = NonNullable<BetterAuthOptions['plugins']>[number]

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
