import { openDatabase } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import type { Config } from '../config.ts'

/** Applies what is pending, over the direct connection, and says what it did. Rejects with a coded error when it may not. */
export async function migrateDatabase(config: Config, options: { adopt: boolean }): Promise<string[]> {
  const database = await openDatabase({ ...config.database, dataDir: config.dataDir })
  try {
    const { applied } = await migrate(database, options)
    if (applied.length === 0) return ['up to date: nothing to apply']
    return applied.map((name) => `applied ${name}`)
  } finally {
    await database.close()
  }
}
