import { Client, type ClientConfig, Pool } from '@neondatabase/serverless'
import { drizzle } from 'drizzle-orm/neon-serverless'
import type { Database, DatabaseOptions } from '../database.ts'
import { DatabaseUrlMissingError } from '../errors.ts'
import * as schema from '../schema.ts'
import { createPooledDatabase, defaults } from './pooled.ts'
import { SteadySocket } from './steady-socket.ts'
import { watched } from './watched.ts'

/** Neon's own driver: Postgres over WebSocket, with transactions and events. Throws `DATABASE_URL_MISSING`. */
export async function openNeon(options: DatabaseOptions): Promise<Database> {
  const { url, neonWsProxy } = options
  if (url === undefined) throw new DatabaseUrlMissingError('neon')
  const statementTimeoutMs = options.statementTimeoutMs ?? defaults.statementTimeoutMs

  const open = new Set<SteadySocket>()
  class TrackedSocket extends SteadySocket {
    constructor(address: string) {
      super(address)
      open.add(this)
      this.addEventListener('close', () => open.delete(this))
    }
  }

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

  const common = {
    application_name: 'gatehouse',
    connectionTimeoutMillis: options.connectionTimeoutMs ?? defaults.connectionTimeoutMs
  }
  // No statement_timeout: Neon's pooler refuses connections that ask for it.
  const pool = new Pool({
    ...common,
    connectionString: url,
    max: options.poolSize ?? defaults.poolSize,
    query_timeout: statementTimeoutMs
  })
  pool.Client = ConfiguredClient
  pool.on('error', (error: Error) => options.onPoolError?.(error))
  pool.on('connect', (client: Client) => client.on('error', () => {}))

  const watchedPool = watched(pool)
  return createPooledDatabase<Client>(
    {
      driver: 'neon',
      pool: watchedPool,
      db: drizzle(watchedPool, { schema }),
      newClient: (timeoutMs) =>
        new ConfiguredClient({
          ...common,
          connectionString: options.unpooledUrl ?? url,
          ...(timeoutMs === undefined ? {} : { query_timeout: timeoutMs })
        }),
      dbOf: (client) => drizzle(watched(client), { schema }),
      abandon(client) {
        client.neonConfig.destroy()
      },
      abandonAll() {
        for (const socket of open) socket.terminate()
      }
    },
    { ...options, url }
  )
}
