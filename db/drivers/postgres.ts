import pg from 'pg'
import type { Database, DatabaseOptions } from '../database.ts'
import { isPooler, openNetworked } from './networked.ts'

const keepAlive = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 }

/** node-postgres: any Postgres over TCP or a Unix socket. Throws `DATABASE_URL_MISSING`. */
export async function openPostgres(options: DatabaseOptions): Promise<Database> {
  return openNetworked<pg.Client>('pg', options, ({ pooled, direct, statementTimeoutMs, track }) => {
    class TrackedClient extends pg.Client {
      constructor(config?: string | pg.ClientConfig) {
        super(config)
        track(this)
      }
    }
    return {
      pool: new pg.Pool({
        ...pooled,
        ...keepAlive,
        // A pooler refuses connections that ask for a setting which it does not know.
        ...(isPooler(pooled.connectionString) ? {} : { statement_timeout: statementTimeoutMs }),
        Client: TrackedClient
      }),
      newClient: () => new pg.Client({ ...direct, ...keepAlive }),
      cut: (client) => client.connection.stream.destroy()
    }
  })
}
