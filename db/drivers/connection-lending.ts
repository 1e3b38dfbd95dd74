import { drizzle } from 'drizzle-orm/node-postgres'
import type { Client, QueryConfig } from 'pg'
import { DatabaseAwayError, DatabaseBusyError } from '../coded-errors.ts'
import type { DatabaseOptions, GatehouseDb } from '../database.ts'
import { type ExtendedSchema, extendSchema } from '../extended-schema.ts'
import { isStoreFailure, sqlState } from '../failure-kind.ts'
import { defaultSchemaName } from '../schema.ts'
import { Semaphore } from '../semaphore.ts'
import { reportFailure } from '../store-failure-context.ts'
import { TimeoutError, withTimeout } from '../timeout.ts'
import { CircuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.ts'

/** What all drivers make of the options: defaults where nothing is said, and the schema. */
export function settingsOf({ connectionTimeoutMs: patienceMs = 3_000, ...options }: DatabaseOptions) {
  const { poolSize: permits = 10, waitingMax = 1_000, statementTimeoutMs = 5_000, onAway, pluginTables = [] } = options
  const { schemaName = defaultSchemaName, ids = 'text' } = options
  const extended = extendSchema(pluginTables, { schemaName, ids })
  // As migration 0003 names it, which announces what changed.
  const eventChannel = schemaName === defaultSchemaName ? 'gatehouse' : `gatehouse:${schemaName}`
  return { permits, waitingMax, patienceMs, statementTimeoutMs, onAway, extended: { ...extended, eventChannel } }
}

/** What a statement was answered with. `command` is the first word of Postgres' tag: `SELECT`, `COMMIT`, … */
export interface StatementResult {
  readonly rows: Record<string, unknown>[]
  readonly command: string
}

/** Runs one statement. */
export type RunStatement = (statement: string | QueryConfig, params?: unknown[]) => Promise<StatementResult>

/** What a client of node-postgres and one of Neon's driver have in common. */
export interface WireClient {
  connect(): Promise<unknown>
  query(statement: string | QueryConfig, params?: unknown[]): Promise<StatementResult>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'notification', listener: (message: { channel: string; payload?: string | undefined }) => void): unknown
  off(event: 'end', listener: () => void): unknown
}

/** What their pools have in common. */
export interface WirePool<C extends WireClient> {
  connect(): Promise<C & { release(discard?: boolean): void }>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
}

export interface AdmissionOptions extends Omit<CircuitBreakerOptions, 'onChange'> {
  /** How many statements and transactions may run at once. */
  readonly permits: number
  /** How many more may wait for one of those permits. */
  readonly waitingMax: number
  /** Called when the database is given up, and when it answers again. */
  readonly onAway: ((away: boolean) => void) | undefined
}

// After a start or an outage two connect at first, and one more with every answer: many connections that are made all
// at once, to a database that has just come back or by a process that is short of CPU, may all miss their timeout.
const firstPermits = 2

/**
 * Admission to the database: so many callers run statements at once and so many wait, for a limited time; all others are
 * refused at once, and so is everybody while the circuit breaker is open.
 */
export class Admission {
  readonly #options: AdmissionOptions
  readonly #breaker: CircuitBreaker
  readonly #semaphore: Semaphore
  #limit: number
  #away = false
  #usedAt = Number.NEGATIVE_INFINITY

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.#limit = Math.min(options.permits, firstPermits)
    this.#semaphore = new Semaphore({
      permits: this.#limit,
      maxWaiting: options.waitingMax,
      refusal: () => new DatabaseBusyError()
    })
    this.#breaker = new CircuitBreaker({ ...options, onChange: () => this.#applyState() })
  }

  /** How many are waiting. */
  get waiting(): number {
    return this.#semaphore.waiting
  }

  /** How long ago a statement was answered, in ms; Infinity before the first. */
  get quietMs(): number {
    return performance.now() - this.#usedAt
  }

  /**
   * Waits for a place; resolves to how to give it back, which may be called again. Rejects with `DATABASE_AWAY` while the
   * breaker is open, and with `DATABASE_BUSY` where too many wait already or the wait has been too long.
   */
  async enter(maxWaitMs = this.#options.patienceMs): Promise<() => void> {
    if (this.#breaker.state === 'open') throw new DatabaseAwayError()
    const release = await this.#semaphore.acquire(maxWaitMs)
    // A place that is held for long, while nobody is answered, may mean that the database is stuck.
    let { answers } = this.#breaker
    const watch = setInterval(() => {
      if (answers === this.#breaker.answers) this.#breaker.doubt()
      answers = this.#breaker.answers
    }, this.#options.patienceMs * 0.6)
    watch.unref()
    return () => {
      clearInterval(watch)
      release()
    }
  }

  /** Takes the outcome of a statement or of an attempt to connect. `used`: it was more than a ping. */
  record(error?: unknown, used = true): void {
    this.#breaker.record(error)
    if (error !== undefined) return
    if (used) this.#usedAt = performance.now()
    if (this.#limit === this.#options.permits) return
    this.#limit++
    this.#applyState()
  }

  /** The database is known to be gone: refuses everybody until a probe is answered. */
  open(): void {
    this.#breaker.open()
  }

  /** The database is believed to be back. Resolves once a probe has found out. */
  probeNow(): Promise<void> {
    return this.#breaker.probeNow()
  }

  /** Refuses everybody who waits, and probes no more. */
  close(): void {
    this.#breaker.stop()
    this.#semaphore.rejectWaiting(new DatabaseAwayError())
  }

  #applyState(): void {
    const { state } = this.#breaker
    if (state === 'open') {
      this.#limit = Math.min(this.#options.permits, firstPermits)
      this.#semaphore.rejectWaiting(new DatabaseAwayError())
    }
    this.#semaphore.permits = state === 'closed' ? this.#limit : 0
    const away = state === 'doubtful' ? this.#away : state === 'open'
    if (away === this.#away) return
    this.#away = away
    this.#options.onAway?.(away)
  }
}

export interface StoreClientOptions<C extends WireClient>
  extends Pick<AdmissionOptions, 'permits' | 'waitingMax' | 'patienceMs' | 'onAway' | 'cutConnections'> {
  /** Where it has one connection more than there are permits, that one is for probes. */
  readonly pool: WirePool<C>
  readonly statementTimeoutMs: number
  readonly schema: ExtendedSchema['schema']
  /** Cuts the client's connection, at once. */
  readonly cut: (client: C) => void
  /** Finds out whether the database answers; by default with a statement. */
  readonly probe?: () => Promise<unknown>
  /** Whether a connection is not to be used again after a statement of it failed with this; by default any store failure. */
  readonly isSpoilt?: (error: unknown) => boolean
}

/** How long one may wait for a place and for each statement's answer, in ms. */
export interface LendLimits {
  readonly maxWaitMs: number
  readonly statementTimeoutMs: number
  /** False for pings, which must not keep a sleeping database awake. */
  readonly used?: boolean
}

export const unlimited: LendLimits = { maxWaitMs: Infinity, statementTimeoutMs: Infinity }

// The server stops a statement that is too slow; only where it is silent does the client's own clock, a little later.
const serverFirstMs = 250

/**
 * A statement that Postgres refused. The fields of the driver's own error that repeat values, such as `detail`, are left
 * out: they would hold session tokens and addresses.
 */
export class StatementError extends Error {
  readonly code: string | undefined
  readonly constraint: string | undefined
  readonly table: string | undefined
  readonly column: string | undefined

  constructor(error: Partial<StatementError>) {
    super(error.message)
    this.code = error.code
    this.constraint = error.constraint
    this.table = error.table
    this.column = error.column
  }
}

/** The one way to the database, whatever its driver: every statement of the gateway goes through `lend`. */
export class StoreClient<C extends WireClient> {
  readonly admission: Admission
  readonly db: GatehouseDb
  readonly #options: StoreClientOptions<C>
  readonly #limits: LendLimits

  constructor(options: StoreClientOptions<C>) {
    this.#options = options
    this.#limits = {
      maxWaitMs: options.patienceMs,
      statementTimeoutMs: options.statementTimeoutMs + serverFirstMs
    }
    this.admission = new Admission({ ...options, probe: options.probe ?? (() => this.askUnadmitted('select 1')) })
    this.db = this.drizzleOn((statement, params) => this.lend((run) => run(statement, params)))
    this.db.transaction = (work, config) => this.lend((run) => this.drizzleOn(run).transaction(work, config))
  }

  /**
   * Lends one connection for as long as the work takes. Resolves and rejects as the work does; rejects with
   * `DATABASE_AWAY`, with `DATABASE_BUSY`, or because there was no connection in time.
   */
  async lend<T>(work: (run: RunStatement) => Promise<T>, limits = this.#limits): Promise<T> {
    const { pool, cut, isSpoilt = isStoreFailure } = this.#options
    const { statementTimeoutMs, used } = limits

    // 1. Admission: a place, after a wait in a bounded queue, while the circuit breaker is closed.
    const leave = await reportFailure(() => this.admission.enter(limits.maxWaitMs))

    // 2. A connection. The circuit breaker is told where there was none; one that was idle proves nothing.
    const client = await reportFailure(() => pool.connect()).catch((error: unknown) => {
      leave()
      this.admission.record(error)
      throw error
    })
    let spoilt = false
    let returned = false
    const giveBack = () => {
      if (returned) return
      returned = true
      client.off('end', giveBack)
      client.release(spoilt)
      leave()
    }
    // Work that goes on although its connection has ended must not keep others from the next one.
    client.on('end', giveBack)

    const run: RunStatement = async (statement, params) => {
      try {
        // 3. The statement, within its time. One that took too long costs its connection. Whoever watches for failures
        // hears of one, whatever the work makes of the error.
        const result = await reportFailure(async () => {
          if (returned) throw new Error('the connection has ended')
          const answer = client.query(statement, params)
          return await withTimeout(statementTimeoutMs, answer, 'the statement took too long')
        })
        // A statement of the transaction had failed, and the work went on as if it had not.
        if (result.command === 'ROLLBACK' && isCommit(statement)) {
          throw new StatementError({ message: 'the transaction was rolled back instead of committed', code: '25P02' })
        }
        // 4. The circuit breaker is told the outcome.
        this.admission.record(undefined, used)
        return result
      } catch (error) {
        spoilt ||= isSpoilt(error)
        if (error instanceof TimeoutError) {
          spoilt = true
          cut(client)
          giveBack()
        }
        this.admission.record(error)
        throw error instanceof Error && sqlState(error) !== undefined ? new StatementError(error) : error
      }
    }
    try {
      return await work(run)
    } finally {
      giveBack()
    }
  }

  /** Rejects when the database does not answer in time. */
  async ping(): Promise<void> {
    await this.lend((run) => run('select 1'), { ...this.#limits, used: false })
  }

  /** One statement without admission, over the connection that the pool has beyond the permits. */
  async askUnadmitted(sql: string): Promise<void> {
    const { pool, cut, statementTimeoutMs } = this.#options
    const client = await pool.connect()
    try {
      await withTimeout(statementTimeoutMs, client.query(sql), 'the statement took too long')
      client.release()
    } catch (error) {
      cut(client)
      client.release(true)
      throw error
    }
  }

  drizzleOn(run: RunStatement): GatehouseDb {
    // Drizzle asks for a client of node-postgres, and calls `query` of it.
    return drizzle({ query: run } as unknown as Client, { schema: this.#options.schema })
  }

  /** Ends the pool's connections, and cuts those that are still in use after so many milliseconds. Never rejects. */
  async close(withinMs: number): Promise<void> {
    this.admission.close()
    await withTimeout(withinMs, this.#options.pool.end(), 'the pool did not end').catch(() => {})
    this.#options.cutConnections()
  }
}

function isCommit(statement: string | QueryConfig): boolean {
  return (typeof statement === 'string' ? statement : statement.text).trim().toLowerCase() === 'commit'
}
