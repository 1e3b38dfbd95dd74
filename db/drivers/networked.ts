import { randomBytes } from 'node:crypto'
import type { ClientConfig } from 'pg'
import type { Database, DatabaseOptions } from '../database.ts'
import {
  DatabaseUrlMissingError,
  NotificationQueueFullError,
  NotificationsNotHeardError,
  PooledConnectionError
} from '../database-errors.ts'
import { reportFailure } from '../store-failure-context.ts'
import { withTimeout } from '../timeout.ts'
import { type RunStatement, StoreClient, settingsOf, type WireClient, type WirePool } from './connection-lending.ts'

/** What a driver over the network brings along. */
interface NetworkDriver<C extends WireClient> {
  readonly pool: WirePool<C>
  /** A client of the direct address, outside the pool. */
  newClient(): C
  /** Cuts the client's connection, at once. */
  cut(client: C): void
  /** Cuts whatever is left when the database is closed. */
  cutRest?(): void
}

/** What a driver makes its pool and its clients with. */
interface NetworkSettings<C extends WireClient> {
  readonly pooled: ClientConfig & { readonly connectionString: string; readonly max: number }
  readonly direct: ClientConfig
  readonly statementTimeoutMs: number
  /** To be called with each client of the pool when it is made. */
  track(client: C): void
}

const goodbyeMs = 1_500
const heartbeatMs = 4_000
const awakeMs = 60_000

/** Whether this address is Neon's pooler, which lends a connection for no longer than a transaction. Never throws. */
export function isPooler(url: string): boolean {
  return URL.canParse(url) && new URL(url).hostname.split('.')[0]?.endsWith('-pooler') === true
}

/**
 * A `Database` over the network. Migrations and events get connections of their own beside the pool's. Throws
 * `DATABASE_URL_MISSING`.
 */
export function openNetworked<C extends WireClient>(
  driver: 'pg' | 'neon',
  options: DatabaseOptions,
  openDriver: (settings: NetworkSettings<C>) => NetworkDriver<C>
): Database {
  const { url } = options
  if (url === undefined) throw new DatabaseUrlMissingError(driver)
  const directUrl = options.unpooledUrl ?? url
  const settings = settingsOf(options)
  const { permits, patienceMs, statementTimeoutMs, extended } = settings
  const common = { application_name: 'gatehouse', connectionTimeoutMillis: patienceMs }
  const pooled = new Set<C>()
  const wire = openDriver({
    // The one more is for probes, which find out whether the database is there while all others are busy.
    pooled: { ...common, connectionString: url, max: permits + 1 },
    direct: { ...common, connectionString: directUrl },
    statementTimeoutMs,
    track(client) {
      pooled.add(client)
      client.on('end', () => pooled.delete(client))
      // The pool listens only while the client is idle; a client in use that breaks rejects its statement.
      client.on('error', () => {})
    }
  })
  wire.pool.on('error', (error) => options.onPoolError?.(error))
  const store = new StoreClient<C>({
    ...settings,
    schema: extended.schema,
    pool: wire.pool,
    cut,
    cutConnections() {
      for (const client of pooled) cut(client)
    }
  })
  const directClients = new Set<C>()
  const stops = new Set<() => Promise<void>>()
  // A property of the two addresses: once shown, it is not asked again when a lost channel is to be back soon.
  let notificationsArrive = false
  let closing: Promise<void> | undefined

  async function connectDirectly(onError: (error: Error) => void): Promise<C> {
    if (closing !== undefined) throw new Error('the database was closed')
    if (isPooler(directUrl)) throw new PooledConnectionError()
    const client = wire.newClient()
    directClients.add(client)
    client.on('end', () => directClients.delete(client))
    client.on('error', onError)
    try {
      await reportFailure(() => withTimeout(patienceMs, client.connect(), 'the connection was not there in time'))
      return client
    } catch (error) {
      cut(client)
      throw error
    }
  }

  function cut(client: C): void {
    pooled.delete(client)
    directClients.delete(client)
    wire.cut(client)
  }

  async function end(client: C): Promise<void> {
    // Neon's client never says that it has ended where its connection was cut.
    await withTimeout(goodbyeMs, client.end(), 'the connection did not end').catch(() => cut(client))
  }

  return {
    driver,
    ...extended,
    db: store.db,
    patienceMs,
    awake: () => store.admission.quietMs < awakeMs,
    ping: () => store.ping(),
    async withDirectClient(work) {
      // The statement that fails with the connection rejects; without a listener the process would die of it as well.
      const client = await connectDirectly(() => {})
      const run: RunStatement = (statement, params) => reportFailure(() => client.query(statement, params))
      try {
        return await work({ query: run, db: store.drizzleOn(run) })
      } finally {
        await end(client)
      }
    },
    async listen(channel, onNotify, onLost) {
      let state: 'starting' | 'listening' | 'over' = 'starting'
      let heartbeat: NodeJS.Timeout | undefined
      const finish = () => {
        state = 'over'
        clearInterval(heartbeat)
        stops.delete(stop)
      }
      const lose = (error: Error) => {
        if (state !== 'listening') return
        finish()
        cut(client)
        onLost(error)
      }
      const stop = async () => {
        if (state === 'over') return
        finish()
        await end(client)
      }
      const client = await connectDirectly(lose)
      client.on('end', () => lose(new Error('the connection for events ended')))
      client.on('notification', (message) => {
        if (message.channel === channel) onNotify(message.payload ?? '')
      })
      const run = (sql: string) => withTimeout(statementTimeoutMs, client.query(sql), 'the statement took too long')
      try {
        await run(`listen "${channel.replaceAll('"', '""')}"`)
        // Whoever listens again has dropped what was cached, and is about to read it anew.
        await store.admission.probeNow()
        if (!notificationsArrive) await requireNotifications(client, (sql) => store.askUnadmitted(sql), patienceMs)
        notificationsArrive = true
        // Last, so that a connection that was lost meanwhile is not taken for one that listens.
        await requireQueue(run)
      } catch (error) {
        cut(client)
        throw error
      }
      state = 'listening'
      stops.add(stop)
      heartbeat = setInterval(() => {
        requireQueue(run).catch((error: unknown) => lose(error instanceof Error ? error : new Error('lost')))
      }, heartbeatMs).unref()
      return stop
    },
    close() {
      closing ??= (async () => {
        await Promise.all([store.close(goodbyeMs), ...[...stops].map((stop) => stop())])
        for (const client of directClients) cut(client)
        wire.cutRest?.()
      })()
      return closing
    }
  }
}

// Where the queue of notifications is half full, statements that notify may soon fail: our triggers give up before that.
// It is a heartbeat, too: a server that vanished without a word looks like one that has nothing to say.
async function requireQueue(run: (sql: string) => Promise<{ rows: Record<string, unknown>[] }>): Promise<void> {
  const { rows } = await run('select pg_notification_queue_usage() > 0.5 as full')
  if (rows[0]?.['full'] === true) throw new NotificationQueueFullError()
}

/**
 * The listen self-test: has another connection notify this one. A pooler that lends connections by the transaction
 * accepts LISTEN and delivers nothing, and so does another database than the one that is written to; that silence would
 * be taken for "nothing has changed". Rejects with `NOTIFICATIONS_NOT_HEARD`, or with what the database says.
 */
async function requireNotifications(
  client: WireClient,
  ask: (sql: string) => Promise<void>,
  withinMs: number
): Promise<void> {
  // A channel of its own, so that no other listener takes the notification for an event.
  const channel = `gatehouse_${randomBytes(8).toString('hex')}`
  const heard = Promise.withResolvers<void>()
  client.on('notification', (message) => {
    if (message.channel === channel) heard.resolve()
  })
  await withTimeout(withinMs, client.query(`listen ${channel}`), 'the statement took too long')
  await ask(`notify ${channel}`)
  await withTimeout(withinMs, heard.promise, 'the notification did not come').catch(() => {
    throw new NotificationsNotHeardError()
  })
  await withTimeout(withinMs, client.query(`unlisten ${channel}`), 'the statement took too long')
}
