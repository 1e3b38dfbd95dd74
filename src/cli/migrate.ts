import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { databaseOptions } from '../database-start.ts'
import { describeDatabaseFailure, type Failure } from '../failure.ts'
import type { Settings } from '../settings.ts'

/** Applies what is pending, for the plugins of the policy file too, over the direct connection, and says what it did or why it did not. Never rejects. */
export async function migrateDatabase(
  settings: Pick<Settings, 'config' | 'policy'>,
  options: { adopt: boolean }
): Promise<{ applied: readonly string[] } | Failure> {
  try {
    const database = await openDatabase(await databaseOptions(settings))
    try {
      return await migrate(database, options)
    } finally {
      await database.close()
    }
  } catch (error) {
    return describeDatabaseFailure(error)
  }
}
