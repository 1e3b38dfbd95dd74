import type { Logger } from 'pino'
import type { Database, DatabaseOptions } from '../db/database.ts'
import { MigrationsPendingError } from '../db/database-errors.ts'
import { migrate, requireMigrated } from '../db/migrate.ts'
import { runLater } from '../db/timeout.ts'
import type { Settings } from './config/load-settings.ts'
import type { Readiness } from './server/admin-server.ts'

const retryEveryMs = 1_000

/** How to open the database of these settings, with what the plugins of the policy file add to it. */
export async function databaseOptions({
  config,
  policy
}: Pick<Settings, 'config' | 'policy'>): Promise<DatabaseOptions> {
  const { plugins = [] } = policy.auth
  // Loading what derives the tables from plugins takes half a second, and most gateways have no plugins.
  const known = plugins.length === 0 ? undefined : await import('../auth/plugin-tables.ts')
  return { ...config.database, dataDir: config.dataDir, pluginTables: known?.pluginTables(policy.auth) }
}

// Together, workers hold about as many connections as most databases can spare.
const connectionsOfAllWorkers = 40
const fewestConnections = 3
const mostConnections = 10

/** How many database connections each of so many workers may hold. */
export function poolSizeFor(workers: number): number {
  return Math.max(fewestConnections, Math.min(mostConnections, Math.floor(connectionsOfAllWorkers / workers)))
}

/**
 * Makes sure that the database has the gateway's tables: the embedded one is migrated here, any other must have been. A
 * database that does not answer yet is asked again every second until it does. Throws `MIGRATIONS_PENDING`, or calls
 * `onFatal` with it where that shows only later. Resolves to a function that stops asking.
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
  let cancel = () => {}
  const attempt = async () => {
    await requireMigrated(database)
    readiness.databaseAnswered()
  }
  const again = () => {
    cancel = runLater(retryEveryMs, () => {
      attempt().then(
        () => log.info('the database answers'),
        (error: unknown) => {
          if (stopped) return
          if (error instanceof MigrationsPendingError) onFatal(error)
          else again()
        }
      )
    })
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
    cancel()
  }
}
