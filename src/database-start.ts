import type { Logger } from 'pino'
import { hasPluginTables, idKind } from '../auth/policy-auth-options.ts'
import type { Database, DatabaseOptions } from '../db/database.ts'
import { IdKindError, MigrationsPendingError, SchemaChangedError } from '../db/database-errors.ts'
import { migrate, requireMigrated } from '../db/migrate.ts'
import { runLater } from '../db/timeout.ts'
import type { Settings } from './config/load-settings.ts'
import type { Readiness } from './server/admin-server.ts'

const retryEveryMs = 1_000
// The database answers, and what it says does not change by asking again.
const final = [MigrationsPendingError, SchemaChangedError, IdKindError]

/** How to open the database of these settings, with what the policy file's plugins and fields add to it. */
export async function databaseOptions({
  config,
  policy
}: Pick<Settings, 'config' | 'policy'>): Promise<DatabaseOptions> {
  // Loading what derives the tables takes half a second, and most gateways have neither plugins nor fields.
  const known = hasPluginTables(policy.auth) ? await import('../auth/plugin-tables.ts') : undefined
  return {
    ...config.database,
    dataDir: config.dataDir,
    ids: idKind(policy.auth),
    pluginTables: known?.pluginTables(policy.auth)
  }
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
 * database that does not answer yet is asked again every second until it does. Throws `MIGRATIONS_PENDING`,
 * `SCHEMA_CHANGED` or `ID_KIND_MISMATCH`, or calls `onFatal` with it where that shows only later. Resolves to a function that stops asking.
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
          if (error instanceof Error && isFinal(error)) onFatal(error)
          else again()
        }
      )
    })
  }

  try {
    await attempt()
  } catch (err) {
    if (isFinal(err)) throw err
    log.warn({ err }, 'the database does not answer: private routes get 503 until it does')
    again()
  }
  return () => {
    stopped = true
    cancel()
  }
}

function isFinal(error: unknown): boolean {
  return final.some((kind) => error instanceof kind)
}
