import type { AuthContext, BetterAuthPlugin } from 'better-auth'
import { createAuthEndpoint, sensitiveSessionMiddleware } from 'better-auth/api'

/** How many rows BetterAuth reads where it asks for all of them: sessions, accounts, members, teams, keys of one owner. */
export const mostRows = 1_000

// The tokens that one statement names.
const batchSize = 500

/**
 * Replaces BetterAuth's `/revoke-other-sessions`, with the same answer, by one that ends all sessions however many there
 * are: BetterAuth's lists the first `mostRows`, and deletes them all at once with two statements each.
 */
export function revokeAllOthers(): BetterAuthPlugin {
  const revokeOtherSessions = createAuthEndpoint(
    '/revoke-other-sessions',
    { method: 'POST', requireHeaders: true, use: [sensitiveSessionMiddleware] },
    async (context) => {
      const { adapter, internalAdapter } = context.context
      const { token, userId } = context.context.session.session
      // In the order of their ids, so that the loop ends even while new sessions begin, or where a hook keeps some.
      for (let after = ''; ; ) {
        const found = await adapter.findMany<{ id: string; token: string }>({
          model: 'session',
          where: [
            { field: 'userId', value: userId },
            { field: 'token', operator: 'ne', value: token },
            { field: 'id', operator: 'gt', value: after }
          ],
          sortBy: { field: 'id', direction: 'asc' },
          limit: batchSize
        })
        const last = found.at(-1)
        if (last === undefined) return context.json({ status: true })
        after = last.id
        await endSessions(
          internalAdapter,
          found.map((one) => one.token)
        )
      }
    }
  )
  return { id: 'gatehouse-revocation', endpoints: { revokeOtherSessions } }
}

/** Ends the sessions of these tokens, without those that a hook of the policy file keeps. */
export async function endSessions(
  internalAdapter: AuthContext['internalAdapter'],
  tokens: readonly string[]
): Promise<void> {
  await internalAdapter.deleteSessions([...tokens])
  // A hook that keeps one session has kept the whole batch.
  for (const { session } of await internalAdapter.findSessions([...tokens]))
    await internalAdapter.deleteSession(session.token)
}
