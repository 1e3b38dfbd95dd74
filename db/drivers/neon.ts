import { Client, type ClientConfig, Pool } from '@neondatabase/serverless'
import { drizzle } from 'drizzle-orm/neon-serverless'
import type { Database, DatabaseOptions } from '../database.ts'
import { DatabaseUrlMissingError } from '../errors.ts'
import { extendSchema } from '../plugin-schema.ts'
import { createPooledDatabase, defaults } from './pooled.ts'
import { SteadySocket } from './steady-socket.ts'

/** Neon's own driver: Postgres over WebSocket, with transactions and events. Throws `DATABASE_URL_MISSING`. */
export async function openNeon(options: DatabaseOptions): Promise<Database> {
  const { url, neonWsProxy } = options
  if (url === undefined) throw new DatabaseUrlMissingError('neon')
  const statementTimeoutMs = options.statementTimeoutMs ?? defaults.statementTimeoutMs

  const extended = extendSchema(options.pluginTables ?? [])
  const { schema } = extended
  const open = new Set<SteadySocket>()
  class TrackedSocket extends SteadySocket {
    constructor(address: string) {
      super(address)
      open.add(this)
      this.addEventListener('close', () => open.delete(this))
    }
  }
  const pooled = new Set<Client>()

  // The driver's settings are one object for the whole process; a client of our own keeps ours to itself.
  class ConfiguredClient extends Client {
    constructor(config?: string | ClientConfig) {
      super(config)
      const settings = this.neonConfig
      settings.webSocketConstructor = TrackedSocket
      if (neonWsProxy === undefined) return
      settings.wsProxy = (host, port) => `${neonWsProxy}/v1?address=${host}:${port}`
      settings.useSecureWebSocket = false
      settings.pipelineConnect = false
    }
  }

  class TrackedClient extends ConfiguredClient {
    constructor(config?: string | ClientConfig) {
      super(config)
      pooled.add(this)
      this.on('end', () => pooled.delete(this))
      // The pool listens only while the client is idle; a lent one that breaks has its statement to say so.
      this.on('error', () => {})
    }
  }

  const common = {
    application_name: 'gatehouse',
    connectionTimeoutMillis: options.connectionTimeoutMs ?? defaults.connectionTimeoutMs
  }
  // No statement_timeout: Neon's pooler refuses connections that ask for it.
  const pool = new Pool({
    ...common,
    connectionString: url,
    // The one more is the gate's own, to ask whether the database is there while all others are busy.
    max: (options.poolSize ?? defaults.poolSize) + 1,
    query_timeout: statementTimeoutMs
  })
  pool.Client = TrackedClient
  pool.on('error', (error: Error) => options.onPoolError?.(error))

  return createPooledDatabase<Client, Pool>(
    {
      driver: 'neon',
      pool,
      dbOf: (client) => drizzle(client, { schema }),
      cutPool() {
        for (const client of pooled) client.neonConfig.destroy()
        pooled.clear()
      },
      newClient: (timeoutMs) =>
        new ConfiguredClient({
          ...common,
          connectionString: options.unpooledUrl ?? url,
          ...(timeoutMs === undefined ? {} : { query_timeout: timeoutMs })
        }),
      abandon(client) {
        client.neonConfig.destroy()
      },
      abandonAll() {
        for (const socket of open) socket.terminate()
      }
    },
    { ...options, url },
    extended
  )
}
