import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type { ExtendedSchema, PluginTable } from './extended-schema.ts'
import type { IdKind, Tables } from './schema.ts'

export type DatabaseDriver = 'pglite' | 'pg' | 'neon'

export interface DatabaseOptions {
  driver: DatabaseDriver
  /** `postgres://…`, for pg and neon. */
  url?: string | undefined
  /** A direct connection, for migrations and events; by default `url`. */
  unpooledUrl?: string | undefined
  /** For pglite: the database is the folder `postgres` in here, and one process at a time holds the directory. */
  dataDir?: string | undefined
  /** For neon: `host:port` of a WebSocket-to-Postgres proxy, instead of Neon's own. */
  neonWsProxy?: string | undefined
  /**
   * How many statements and transactions run at once; 10 by default, with pglite always one. Over the network the pool
   * has one connection more, for probes.
   */
  poolSize?: number | undefined
  /** How many more may wait; 1,000 by default. Further ones are rejected at once. */
  waitingMax?: number | undefined
  /** How long one may wait for that, and how long connecting may take; 3,000 by default. */
  connectionTimeoutMs?: number | undefined
  /** How long a statement may take; 5,000 by default. Direct clients have no limit, since migrations may take long. */
  statementTimeoutMs?: number | undefined
  /** The schema that holds the tables, the function and the triggers; `public` by default. */
  schemaName?: string | undefined
  /** How ids are made; `text` by default. Cannot be changed once there are tables. */
  ids?: IdKind | undefined
  /** What plugins of BetterAuth and the policy file need besides the four tables; nothing by default. */
  pluginTables?: readonly PluginTable[] | undefined
  /** Called when an idle connection broke; it is replaced when one is needed. */
  onPoolError?: ((error: Error) => void) | undefined
  /** Called when the database is given up, so that everything is rejected at once, and when it answers again. */
  onAway?: ((away: boolean) => void) | undefined
}

/** The drizzle database, whatever the driver. */
export type GatehouseDb = PgDatabase<PgQueryResultHKT, Tables>

export interface DirectClient {
  query(sql: string, params?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  readonly db: GatehouseDb
}

export interface Database extends ExtendedSchema {
  readonly driver: DatabaseDriver
  /** Where the triggers of this schema tell what changed. */
  readonly eventChannel: string
  /** Statements reject at once with `DATABASE_AWAY` while the database is given up, and `DATABASE_BUSY` where too many wait. */
  readonly db: GatehouseDb
  /** How long one look-up may take in all, its wait for a connection included, in ms. */
  readonly patienceMs: number
  /**
   * Whether a statement other than `ping` was answered within the last minute, so that another one does not wake a
   * database that scales to zero. Always true with pglite.
   */
  awake(): boolean
  /** Rejects when the database does not answer in time. */
  ping(): Promise<void>
  /**
   * Lends one direct connection of its own for as long as the work takes; with pglite, the only one there is.
   * Rejects with `POOLED_CONNECTION` where only a pooler's address is known.
   */
  withDirectClient<T>(work: (client: DirectClient) => Promise<T>): Promise<T>
  /**
   * Listens to a channel over a direct connection of its own (with pglite, the only one there is) until that is stopped
   * or lost. `onLost` is called at most once, and not after the stop. Rejects when it cannot listen; with
   * `NOTIFICATIONS_NOT_HEARD` where the database accepts LISTEN and delivers nothing.
   */
  listen(
    channel: string,
    onNotify: (payload: string) => void,
    onLost: (error: Error) => void
  ): Promise<() => Promise<void>>
  /** Ends every connection within a few seconds, whatever is running. May be called again. Never rejects. */
  close(): Promise<void>
}
