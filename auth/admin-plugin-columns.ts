import { getAuthTables } from 'better-auth/db'
import type { AdminColumns } from '../db/session-queries.ts'
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
