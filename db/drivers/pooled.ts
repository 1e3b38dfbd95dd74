import type { Database, DatabaseOptions, GatehouseDb } from '../database.ts'
import { NotificationQueueFullError, PooledConnectionError } from '../errors.ts'
import { failureReporter } from '../failure-scope.ts'
import type { ExtendedSchema } from '../plugin-schema.ts'
import { Gate } from './gate.ts'
import { gated } from './gated.ts'
import { requireHearing } from './hearing.ts'
import { watched } from './watched.ts'
import { within } from './within.ts'

/** What a node-postgres client and Neon's have in common. */
export interface WireClient {
  connect(): Promise<unknown>
  query(sql: string, params?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'notification', listener: (message: { channel: string; payload?: string | undefined }) => void): unknown
}

/** What their pools have in common. */
export interface WirePool {
  query(sql: string): Promise<unknown>
  connect(): Promise<unknown>
  end(): Promise<void>
}

/** What a driver over the wire brings along. */
export interface WireDriver<Client extends WireClient, Pool extends WirePool> {
  readonly driver: 'pg' | 'neon'
  /** Of one more connection than `poolSize`. */
  readonly pool: Pool
  dbOf(client: Client | Pool): GatehouseDb
  /** A client of the direct address; `statementTimeoutMs` undefined: as long as it takes. */
  newClient(statementTimeoutMs?: number): Client
  /** Cuts the sockets of the pool, at once. */
  cutPool(): void
  /** Cuts the client's socket, at once. */
  abandon(client: Client): void
  /** Cuts every socket that is still open, at once. */
  abandonAll(): void
}

/** The defaults of the options that have one. */
export const defaults = {
  poolSize: 10,
  connectionTimeoutMs: 3_000,
  statementTimeoutMs: 5_000,
  waitingMax: 1_000
} as const

const goodbyeMs = 1_500
const heartbeatMs = 4_000
const awakeMs = 60_000

// Where the queue of notifications is this full, those who notify may soon have to keep silent: well before our triggers do.
const queueHalfFull = 'select pg_notification_queue_usage() > 0.5 as full'

// It answers, too: a peer that vanished without a word would look like a quiet one for ever.
async function requireQueue(client: WireClient): Promise<void> {
  const { rows } = await client.query(queueHalfFull)
  if (rows[0]?.['full'] === true) throw new NotificationQueueFullError()
}

/** Whether this address is Neon's pooler, which has no session of one's own. Never throws. */
export function isPooler(url: string): boolean {
  return URL.canParse(url) && new URL(url).hostname.split('.')[0]?.endsWith('-pooler') === true
}

/** A `Database` over the wire, on the parts that its driver brings. */
export function createPooledDatabase<Client extends WireClient, Pool extends WirePool>(
  wire: WireDriver<Client, Pool>,
  options: DatabaseOptions & { url: string },
  extended: ExtendedSchema
): Database {
  const connectionTimeoutMs = options.connectionTimeoutMs ?? defaults.connectionTimeoutMs
  const statementTimeoutMs = options.statementTimeoutMs ?? defaults.statementTimeoutMs
  const gate = new Gate({
    places: options.poolSize ?? defaults.poolSize,
    waitingMax: options.waitingMax ?? defaults.waitingMax,
    patienceMs: connectionTimeoutMs,
    probe: () => wire.pool.query('select 1'),
    cut: () => wire.cutPool(),
    onAway: options.onAway
  })
  const pool = watched(gated(wire.pool, gate))
  const pinged = watched(
    gated(wire.pool, { enter: () => gate.enter(), answered: (error) => gate.answered(error, false) })
  )
  const stops = new Set<() => Promise<void>>()
  // A property of the two addresses: shown once, it is not asked again when a lost channel is to be back soon.
  let hearsOthers = false
  let closing: Promise<void> | undefined

  async function connected(client: Client): Promise<void> {
    const report = failureReporter()
    try {
      await within(connectionTimeoutMs, client.connect(), 'the connection was not there in time')
    } catch (error) {
      wire.abandon(client)
      report(error)
      throw error
    }
  }

  async function leave(client: Client): Promise<void> {
    // After a dropped socket the end of Neon's client never comes.
    await within(goodbyeMs, client.end(), 'the connection did not end').catch(() => wire.abandon(client))
  }

  function assertDirect(): void {
    if (closing !== undefined) throw new Error('the database was closed')
    if (isPooler(options.unpooledUrl ?? options.url)) throw new PooledConnectionError()
  }

  return {
    driver: wire.driver,
    ...extended,
    db: wire.dbOf(pool),
    patienceMs: connectionTimeoutMs,
    awake: () => gate.quietMs < awakeMs,
    async ping() {
      await pinged.query('select 1')
    },
    async withDirectClient(work) {
      assertDirect()
      const client = wire.newClient()
      // The statement that breaks with the connection rejects; without this the process would die of it as well.
      client.on('error', () => {})
      await connected(client)
      try {
        return await work({ query: (sql, params) => client.query(sql, params), db: wire.dbOf(watched(client)) })
      } finally {
        await leave(client)
      }
    },
    async listen(channel, onNotify, onLost) {
      assertDirect()
      const client = wire.newClient(statementTimeoutMs)
      let state: 'starting' | 'listening' | 'over' = 'starting'
      let heartbeat: NodeJS.Timeout | undefined
      const lose = (error: Error) => {
        if (state !== 'listening') return
        finish()
        wire.abandon(client)
        onLost(error)
      }
      const finish = () => {
        state = 'over'
        clearInterval(heartbeat)
        stops.delete(stop)
      }
      const stop = async () => {
        if (state === 'over') return
        finish()
        await leave(client)
      }
      client.on('error', lose)
      client.on('end', () => lose(new Error('the connection for events ended')))
      client.on('notification', (message) => {
        if (message.channel === channel) onNotify(message.payload ?? '')
      })
      await connected(client)
      try {
        await client.query(`listen "${channel.replaceAll('"', '""')}"`)
        // Whoever listens again forgets what they knew, and should be able to ask.
        await gate.hope()
        if (!hearsOthers) await requireHearing(client, wire.pool, connectionTimeoutMs)
        hearsOthers = true
        // Last, so that a connection that was lost meanwhile is not taken for one that listens.
        await requireQueue(client)
      } catch (error) {
        wire.abandon(client)
        throw error
      }
      state = 'listening'
      stops.add(stop)
      heartbeat = setInterval(() => {
        requireQueue(client).catch((error: unknown) => lose(error instanceof Error ? error : new Error('lost')))
      }, heartbeatMs).unref()
      return stop
    },
    close() {
      closing ??= (async () => {
        gate.close()
        await Promise.all([...stops].map((stop) => stop()))
        await within(goodbyeMs, wire.pool.end(), 'the pool did not end').catch(() => {})
        wire.abandonAll()
      })()
      return closing
    }
  }
}
