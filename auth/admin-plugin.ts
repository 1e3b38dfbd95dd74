import { getAuthTables } from 'better-auth/db'
import { snakeCase } from '../db/plugin-schema.ts'
import { type AdminColumns, endOfBan, isBanned } from '../db/session-queries.ts'
import type { Auth } from './better-auth.ts'
import type { AuthExtension } from './extension.ts'

/** Where BetterAuth's admin plugin keeps roles, bans and impersonations; undefined when it is not switched on. */
export function adminColumns({ plugins }: Pick<AuthExtension, 'plugins'>): AdminColumns | undefined {
  const admin = plugins?.find(({ id }) => id === 'admin')
  if (admin === undefined) return undefined
  const { user, session } = getAuthTables({ plugins: [admin] })
  const nameOf = (key: string) => snakeCase((user?.fields[key] ?? session?.fields[key])?.fieldName ?? key)
  const defaultRole: unknown = admin.options?.['defaultRole']
  return {
    role: nameOf('role'),
    banned: nameOf('banned'),
    banExpires: nameOf('banExpires'),
    impersonatedBy: nameOf('impersonatedBy'),
    defaultRole: typeof defaultRole === 'string' ? defaultRole : 'user'
  }
}

/**
 * Has BetterAuth find no session of somebody who is banned. By itself it only ends sessions in its own call that bans and
 * refuses new ones, so that a ban by SQL would leave everything under `/api/auth` open.
 */
export function refuseBanned(auth: Pick<Auth, '$context'>): void {
  auth.$context.then(
    ({ internalAdapter }) => {
      const findSession = internalAdapter.findSession.bind(internalAdapter)
      internalAdapter.findSession = async (token) => {
        const found = await findSession(token)
        return found !== null && isBannedUser(found.user) ? null : found
      }
    },
    // Whoever awaits the context hears of it.
    () => {}
  )
}

function isBannedUser(user: Readonly<Record<string, unknown>>): boolean {
  const { banned, banExpires } = user
  return isBanned(endOfBan(banned === true, banExpires instanceof Date ? banExpires : null), Date.now())
}
