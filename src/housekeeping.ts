import { setTimeout as wait } from 'node:timers/promises'
import { type AuthLog, describeError } from '../auth/auth-logger.ts'
import type { Database } from '../db/database.ts'
import { type SweptTable, sweepBatch, sweptTables } from '../db/housekeeping.ts'
import { runLater } from '../db/timeout.ts'

export interface HousekeepingOptions {
  readonly database: Pick<Database, 'db' | 'awake'>
  readonly log: Pick<AuthLog, 'info' | 'warn'>
  /** Sweeps only when the database was in use a moment ago, so that one that scales to zero is not woken for it. */
  readonly onlyWhileAwake: boolean
  /** Runs work after so many milliseconds; answers how to call it off. */
  readonly later?: (ms: number, work: () => void) => () => void
  /** From 0 to 1. */
  readonly random?: () => number
}

// So many rows are deleted within a few milliseconds, and other statements get the database during the pause.
const batchSize = 250
const pauseMs = 100
const firstMs = 5 * 60_000
const everyMs = 60 * 60_000
const lookEveryMs = 30_000

/**
 * Removes expired sessions and verifications in small batches: some minutes after the start, then every hour, at random
 * moments so that replicas do not all come at once. Of failures in a row the first is logged. Answers how to stop, which
 * resolves once no statement of it is running. Never rejects.
 */
export function startHousekeeping(options: HousekeepingOptions): () => Promise<void> {
  const { database, log, onlyWhileAwake, later = runLater, random = Math.random } = options
  const stopping = new AbortController()
  let callOff = () => {}
  let running: Promise<void> = Promise.resolve()
  let failing = false

  function next(ms: number): void {
    callOff = later(ms, () => {
      // A database that scales to zero is left asleep until a request needs it.
      if (onlyWhileAwake && !database.awake()) next(lookEveryMs)
      else running = run()
    })
  }

  async function run(): Promise<void> {
    try {
      const removed = await sweepAll(database, stopping.signal)
      failing = false
      if (Object.values(removed).some((count) => count > 0)) log.info({ removed }, 'what had expired was removed')
    } catch (error) {
      if (!failing && !stopping.signal.aborted)
        log.warn({ failure: describeError(error) }, 'what has expired cannot be removed now: it is tried again later')
      failing = true
    }
    if (!stopping.signal.aborted) next(spread(everyMs))
  }

  function spread(ms: number): number {
    return ms * (0.75 + random() / 2)
  }

  next(spread(firstMs))
  return async () => {
    stopping.abort()
    callOff()
    await running
  }
}

/**
 * Removes all that has expired, batch by batch with a pause after each, until nothing is left, another process is found
 * at it, or the signal comes; answers how many rows of each table. Rejects when the database cannot answer.
 */
export async function sweepAll(
  database: Pick<Database, 'db'>,
  signal: AbortSignal
): Promise<Record<SweptTable, number>> {
  const removed: Record<SweptTable, number> = { session: 0, verification: 0 }
  for (const table of sweptTables) {
    while (!signal.aborted) {
      const batch = await sweepBatch(database, table, { limit: batchSize, now: Date.now() })
      removed[table] += batch.removed
      if (!batch.mine) return removed
      if (batch.removed < batchSize) break
      await wait(pauseMs, undefined, { signal }).catch(() => {})
    }
  }
  return removed
}
