import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthEndpoint, sensitiveSessionMiddleware } from 'better-auth/api'
import type { BetterAuthOptions } from 'better-auth/minimal'
import { isRecord } from '../db/type-guards.ts'

/** Who is told when a session or a user has changed or is deleted. */
export interface SessionChanges {
  sessionChanged(token: string): void
  userChanged(userId: string): void
}

// Of sessions that BetterAuth deletes together it reports the first thousand (`mostRows`) and no more: wherever there may
// be several, all sessions of the user are read again.
const endsOneSession = new Set(['/sign-out', '/revoke-session', '/get-session', '/admin/revoke-user-session'])

/**
 * Tells of every session and user that BetterAuth changes or deletes, ahead of other hooks on the same rows. Where
 * sign-up is closed it also refuses new users, unless an administrator or the operator's own code makes them.
 */
export function reportChanges(changes: SessionChanges, publicSignUp: boolean): BetterAuthPlugin {
  const sessionChanged = (row: unknown) => report('token', row, changes.sessionChanged)
  const userChanged = (row: unknown) => report('id', row, changes.userChanged)
  const databaseHooks: BetterAuthOptions['databaseHooks'] = {
    session: {
      update: { after: async (row) => sessionChanged(row) },
      delete: {
        after: async (row, context) => {
          sessionChanged(row)
          if (!endsOneSession.has(context?.path ?? '')) report('userId', row, changes.userChanged)
        }
      }
    },
    user: {
      create: {
        before: async (_user, context) => {
          // No request: the operator's own code. `/admin/create-user` checks for an administrator itself.
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

// The rows are deleted already: a hook that throws now would only make BetterAuth answer 500 about it.
function report(key: string, row: unknown, listener: (value: string) => void): void {
  const value = isRecord(row) ? row[key] : undefined
  if (typeof value !== 'string') return
  try {
    listener(value)
  } catch {}
}

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
