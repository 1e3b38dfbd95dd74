import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type { ExtendedSchema, PluginTable } from './plugin-schema.ts'
import type * as schema from './schema.ts'

export type DatabaseDriver = 'pglite' | 'pg' | 'neon'

export interface DatabaseOptions {
  driver: DatabaseDriver
  /** `postgres://…`, for pg and neon. */
  url?: string | undefined
  /** A direct connection, for migrations and events; by default `url`. */
  unpooledUrl?: string | undefined
  /** For pglite: the database lives in `postgres` in here, and one process at a time holds the directory. */
  dataDir?: string | undefined
  /** For neon: `host:port` of a WebSocket-to-Postgres proxy, instead of Neon's own. */
  neonWsProxy?: string | undefined
  /**
   * Statements and transactions at once; 10 by default, with pglite always one. Over the wire one connection more asks
   * now and then whether the database is there.
   */
  poolSize?: number | undefined
  /** How many more may wait for their turn; 1,000 by default. Further ones are rejected at once. */
  waitingMax?: number | undefined
  /** Until a turn must come, and until a connection must be there; 3,000 by default. */
  connectionTimeoutMs?: number | undefined
  /** Until a statement must be answered; 5,000 by default. Not for direct clients: migrations may take long. */
  statementTimeoutMs?: number | undefined
  /** What plugins of BetterAuth want besides the four tables; nothing by default. */
  pluginTables?: readonly PluginTable[] | undefined
  /** Hears of idle connections that broke. They are replaced when needed. */
  onPoolError?: ((error: Error) => void) | undefined
  /** Hears when the database is given up, so that everything is rejected at once, and when it answers again. */
  onAway?: ((away: boolean) => void) | undefined
}

/** The drizzle database, whatever the driver. */
export type GatehouseDb = PgDatabase<PgQueryResultHKT, typeof schema>

export interface DirectClient {
  query(sql: string, params?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  readonly db: GatehouseDb
}

export interface Database extends ExtendedSchema {
  readonly driver: DatabaseDriver
  /** It rejects with `DATABASE_AWAY` or `DATABASE_BUSY`, at once, while nobody can be served. */
  readonly db: GatehouseDb
  /** How long a single look-up may take in all, its wait for a turn included, in ms. */
  readonly patienceMs: number
  /** Whether a statement, `ping` aside, was answered within the last minute, so that asking now wakes nobody; pglite always is. */
  awake(): boolean
  /** Rejects when the database does not answer in time. */
  ping(): Promise<void>
  /**
   * Lends one direct connection of its own for as long as the work takes; with pglite, the only one there is.
   * Rejects with `POOLED_CONNECTION` where only a pooler's address is known.
   */
  withDirectClient<T>(work: (client: DirectClient) => Promise<T>): Promise<T>
  /**
   * Hears notifications on a channel over a direct connection of its own, until it is stopped or lost. `onLost` is
   * called at most once, and not after stop. Rejects when it cannot start listening, with `NOTIFICATIONS_NOT_HEARD` where
   * it can and would hear nothing.
   */
  listen(
    channel: string,
    onNotify: (payload: string) => void,
    onLost: (error: Error) => void
  ): Promise<() => Promise<void>>
  /** Ends every connection within a few seconds, answered or not. May be called again. Never rejects. */
  close(): Promise<void>
}
