import type { BetterAuthPlugin } from 'better-auth'
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

/** Tells of every session and user that BetterAuth changes or deletes, ahead of other hooks on the same rows. */
export function reportChanges(changes: SessionChanges): BetterAuthPlugin {
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
