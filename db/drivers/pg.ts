import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import type { Database, DatabaseOptions } from '../database.ts'
import { DatabaseUrlMissingError } from '../errors.ts'
import { extendSchema } from '../plugin-schema.ts'
import { createPooledDatabase, defaults, isPooler } from './pooled.ts'

/** node-postgres: any Postgres over TCP or a Unix socket. Throws `DATABASE_URL_MISSING`. */
export async function openPg(options: DatabaseOptions): Promise<Database> {
  const { url } = options
  if (url === undefined) throw new DatabaseUrlMissingError('pg')
  const statementTimeoutMs = options.statementTimeoutMs ?? defaults.statementTimeoutMs

  const common = {
    application_name: 'gatehouse',
    connectionTimeoutMillis: options.connectionTimeoutMs ?? defaults.connectionTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000
  }
  const extended = extendSchema(options.pluginTables ?? [])
  const { schema } = extended
  const open = new Set<pg.Client>()
  const pooled = new Set<pg.Client>()
  class TrackedClient extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      super(config)
      pooled.add(this)
      this.on('end', () => pooled.delete(this))
      // The pool listens only while the client is idle; a lent one that breaks has its statement to say so.
      this.on('error', () => {})
    }
  }
  const pool = new pg.Pool({
    ...common,
    ...timeouts(url, statementTimeoutMs),
    connectionString: url,
    // The one more is the gate's own, to ask whether the database is there while all others are busy.
    max: (options.poolSize ?? defaults.poolSize) + 1,
    Client: TrackedClient
  })
  pool.on('error', (error) => options.onPoolError?.(error))

  const abandon = (client: pg.Client) => {
    open.delete(client)
    pooled.delete(client)
    client.connection.stream.destroy()
  }
  const cutPool = () => {
    for (const client of pooled) abandon(client)
  }
  return createPooledDatabase<pg.Client, pg.Pool>(
    {
      driver: 'pg',
      pool,
      dbOf: (client) => drizzle(client, { schema }),
      cutPool,
      newClient(timeoutMs) {
        const connectionString = options.unpooledUrl ?? url
        const client = new pg.Client({ ...common, ...timeouts(connectionString, timeoutMs), connectionString })
        open.add(client)
        client.on('end', () => open.delete(client))
        return client
      },
      abandon,
      abandonAll() {
        cutPool()
        for (const client of open) abandon(client)
      }
    },
    { ...options, url },
    extended
  )
}

// The server stops a statement that is too slow; the client's own clock, a little later, notices a server that is mute.
function timeouts(url: string, ms: number | undefined) {
  if (ms === undefined) return {}
  // A pooler refuses connections that ask for a setting which it does not know.
  return { query_timeout: ms + 250, ...(isPooler(url) ? {} : { statement_timeout: ms }) }
}
