import pg from 'pg'
import type { Database, DatabaseOptions } from '../database.ts'
import { DatabaseUrlMissingError } from '../errors.ts'
import { extendSchema } from '../plugin-schema.ts'
import { createNetworkedDatabase, isPooler } from './networked.ts'
import { defaults } from './store-client.ts'

/** node-postgres: any Postgres over TCP or a Unix socket. Throws `DATABASE_URL_MISSING`. */
export async function openPostgres(options: DatabaseOptions): Promise<Database> {
  const { url } = options
  if (url === undefined) throw new DatabaseUrlMissingError('pg')
  const common = {
    application_name: 'gatehouse',
    connectionTimeoutMillis: options.connectionTimeoutMs ?? defaults.connectionTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000
  }
  const pooled = new Set<pg.Client>()
  class TrackedClient extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      super(config)
      pooled.add(this)
      this.on('end', () => pooled.delete(this))
      // The pool listens only while the client is idle; a client in use that breaks rejects its statement.
      this.on('error', () => {})
    }
  }
  const pool = new pg.Pool({
    ...common,
    connectionString: url,
    // A pooler refuses connections that ask for a setting which it does not know.
    ...(isPooler(url) ? {} : { statement_timeout: options.statementTimeoutMs ?? defaults.statementTimeoutMs }),
    // The one more is for probes, which find out whether the database is there while all others are busy.
    max: (options.poolSize ?? defaults.poolSize) + 1,
    Client: TrackedClient
  })
  pool.on('error', (error) => options.onPoolError?.(error))

  const cut = (client: pg.Client) => {
    pooled.delete(client)
    client.connection.stream.destroy()
  }
  return createNetworkedDatabase<pg.Client>(
    {
      driver: 'pg',
      pool,
      newClient: () => new pg.Client({ ...common, connectionString: options.unpooledUrl ?? url }),
      cut,
      cutPool() {
        for (const client of pooled) cut(client)
      }
    },
    { ...options, url },
    extendSchema(options.pluginTables ?? [])
  )
}
