import { openDatabase } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import type { Config } from '../config.ts'
import { describeDatabaseFailure, type Failure } from '../failure.ts'

/** Applies what is pending over the direct connection, and says what it did or why it did not. Never rejects. */
export async function migrateDatabase(
  config: Config,
  options: { adopt: boolean }
): Promise<{ applied: readonly string[] } | Failure> {
  try {
    const database = await openDatabase({ ...config.database, dataDir: config.dataDir })
    try {
      return await migrate(database, options)
    } finally {
      await database.close()
    }
  } catch (error) {
    return describeDatabaseFailure(error)
  }
}
