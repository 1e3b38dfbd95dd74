import type { Logger } from 'pino'
import type { Database } from '../db/database.ts'
import { removeExpired, type WithExpiredRows } from '../db/expired-rows.ts'
import type { SessionAges } from '../db/session-end-time.ts'
import { runLater } from '../db/timeout.ts'

export interface HousekeepingOptions {
  readonly database: WithExpiredRows & Pick<Database, 'awake'>
  readonly log: Pick<Logger, 'info' | 'warn'>
  /** Removes rows only when the database was in use a moment ago, so that one that scales to zero is not woken for it. */
  readonly onlyWhileAwake: boolean
  /** When sessions end that have not expired. Default: they do not. */
  readonly ages?: SessionAges
  /** Runs work after so many milliseconds; returns what cancels it. */
  readonly later?: (ms: number, work: () => void) => () => void
  /** From 0 to 1. */
  readonly random?: () => number
}

const firstMs = 5 * 60_000
const everyMs = 60 * 60_000
const lookEveryMs = 30_000

/**
 * Removes sessions and verifications that have ended some minutes after the start and then every hour, at random moments around
 * these, so that replicas do not come at once. A failure is logged once and tried again. Returns what stops it, which
 * resolves once nothing of it is going on. Never rejects.
 */
export function startHousekeeping(options: HousekeepingOptions): () => Promise<void> {
  const { database, log, onlyWhileAwake, ages, later = runLater, random = Math.random } = options
  const stopping = new AbortController()
  let cancel = () => {}
  let running = Promise.resolve()
  let failing = false

  function next(ms: number): void {
    cancel = later(ms, () => {
      // `awake` asks nobody: a database that sleeps is not woken, and is looked at again soon.
      if (onlyWhileAwake && !database.awake()) next(lookEveryMs)
      else running = run()
    })
  }

  async function run(): Promise<void> {
    try {
      const removed = await removeExpired(database, stopping.signal, ages)
      failing = false
      if (Object.values(removed).some((count) => count > 0)) log.info({ removed }, 'what had expired was removed')
    } catch (error) {
      if (!failing && !stopping.signal.aborted)
        log.warn({ err: error }, 'what has expired cannot be removed now: it is tried again later')
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
    cancel()
    await running
  }
}
