import { admin } from 'better-auth/plugins'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { openDatabase } from '../../db/open-database.ts'
import type { TestDatabase } from './databases.ts'
import { migrateOnce } from './embedded-database.ts'
import type { Teardown } from './postgres.ts'

/** `auth` of a policy file with BetterAuth's admin plugin. */
export const withAdmin = { plugins: [admin()] }

/** Gives the database the admin plugin's columns, and answers how to run SQL on it. Not for the embedded one. */
export async function adminDatabase(
  t: Teardown,
  { options }: Pick<TestDatabase, 'options'>
): Promise<(statement: string, params?: unknown[]) => Promise<Record<string, unknown>[]>> {
  await migrateOnce({ ...options, pluginTables: pluginTables(withAdmin) })
  const database = await openDatabase(options)
  t.teardown(() => database.close())
  return (statement, params = []) =>
    database.withDirectClient(async ({ query }) => (await query(statement, params)).rows)
}
