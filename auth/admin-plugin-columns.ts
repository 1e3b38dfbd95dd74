import type { AuthContext } from 'better-auth'
import { getAuthTables } from 'better-auth/db'
import { type AdminColumns, endOfBan, isBanned } from '../db/session-queries.ts'
import { snakeCase } from '../db/snake-case.ts'
import type { AuthExtension } from './policy-auth-options.ts'

/** The columns in which BetterAuth's admin plugin keeps roles, bans and impersonations; undefined when it is not switched on. */
export function adminColumns({ plugins }: Pick<AuthExtension, 'plugins'>): AdminColumns | undefined {
  const admin = plugins?.find(({ id }) => id === 'admin')
  if (admin === undefined) return undefined
  const { user, session } = getAuthTables({ plugins: [admin] })
  const columnOf = (key: string) => snakeCase((user?.fields[key] ?? session?.fields[key])?.fieldName ?? key)
  const defaultRole: unknown = admin.options?.['defaultRole']
  return {
    role: columnOf('role'),
    banned: columnOf('banned'),
    banExpires: columnOf('banExpires'),
    impersonatedBy: columnOf('impersonatedBy'),
    defaultRole: typeof defaultRole === 'string' ? defaultRole : 'user'
  }
}

/**
 * Has BetterAuth find no session of a banned user. By itself it ends sessions only in its own endpoint for bans and
 * refuses new ones, so that a ban by SQL would leave everything of BetterAuth's open.
 */
export function refuseBanned({ internalAdapter }: AuthContext): void {
  const findSession = internalAdapter.findSession.bind(internalAdapter)
  internalAdapter.findSession = async (token) => {
    const found = await findSession(token)
    if (found === null) return null
    const { banned, banExpires }: Readonly<Record<string, unknown>> = found.user
    const end = endOfBan(banned === true, banExpires instanceof Date ? banExpires : null)
    return isBanned(end, Date.now()) ? null : found
  }
}
