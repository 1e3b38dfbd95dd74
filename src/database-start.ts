import type { Logger } from 'pino'
import type { Database } from '../db/database.ts'
import { MigrationsPendingError } from '../db/errors.ts'
import { migrate, requireMigrated } from '../db/migrate.ts'
import type { Readiness } from './server/admin-server.ts'

const retryEveryMs = 1_000

/**
 * Makes sure that the database has the gateway's tables: the embedded one is migrated, any other must have been. One
 * that does not answer yet is asked again every second until it does. Throws `MIGRATIONS_PENDING`; once started,
 * `onFatal` hears of it. Resolves to a function that stops asking.
 */
export async function prepareDatabase(
  database: Database,
  readiness: Readiness,
  log: Logger,
  onFatal: (error: Error) => void
): Promise<() => void> {
  if (database.driver === 'pglite') {
    const { applied } = await migrate(database)
    if (applied.length > 0) log.info({ applied }, 'the embedded database was migrated')
    readiness.databaseAnswered()
    return () => {}
  }

  let stopped = false
  let timer: NodeJS.Timeout | undefined
  const attempt = async () => {
    await requireMigrated(database)
    readiness.databaseAnswered()
  }
  const again = () => {
    timer = setTimeout(() => {
      attempt().then(
        () => log.info('the database answers'),
        (error: unknown) => {
          if (stopped) return
          if (error instanceof MigrationsPendingError) onFatal(error)
          else again()
        }
      )
    }, retryEveryMs)
    timer.unref()
  }

  try {
    await attempt()
  } catch (err) {
    if (err instanceof MigrationsPendingError) throw err
    log.warn({ err }, 'the database does not answer: private routes get 503 until it does')
    again()
  }
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
