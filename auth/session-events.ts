import type { Database } from '../db/database.ts'
import { PooledConnectionError } from '../db/errors.ts'
import { runLater } from '../db/timeout.ts'
import type { AuthLog } from './auth-logger.ts'
import { describeError } from './auth-logger.ts'
import type { SessionResolver } from './session-resolver.ts'

export interface SessionEventsOptions {
  readonly database: Pick<Database, 'listen'>
  readonly sessions: Pick<SessionResolver, 'heard' | 'clear'>
  readonly log: AuthLog
  /** Runs work after so many milliseconds; answers how to call it off. */
  readonly later?: (ms: number, work: () => void) => () => void
  /** From 0 to 1. */
  readonly random?: () => number
}

/** The ear for sessions that end elsewhere. */
export interface SessionEvents {
  /** Whether events are heard right now. False too where this database's address cannot listen at all. */
  readonly listening: boolean
  /** Whether they should be heard and are not. */
  readonly lost: boolean
  stop(): Promise<void>
}

const channel = 'gatehouse'
const firstRetryMs = 200
const slowestRetryMs = 1_500

/**
 * Listens for what the database's triggers tell about sessions and users, and keeps at it: a lost channel is opened
 * again with growing pauses. While it is away decisions keep their remaining time; when it is back all are read again,
 * because nobody knows what was said meanwhile. Never rejects.
 */
export function followSessionEvents(options: SessionEventsOptions): SessionEvents {
  const { database, sessions, log, later = runLater, random = Math.random } = options
  let state: 'opening' | 'listening' | 'lost' | 'impossible' | 'stopped' = 'opening'
  let failures = 0
  let callOff = () => {}
  let stopListening: (() => Promise<void>) | undefined

  async function open(): Promise<void> {
    try {
      const stop = await database.listen(channel, (payload) => sessions.heard(payload), lose)
      if (state === 'stopped') return await stop()
      stopListening = stop
      sessions.clear()
      if (state === 'lost') log.info({}, 'session events are heard again')
      state = 'listening'
      failures = 0
    } catch (error) {
      if (error instanceof PooledConnectionError) state = 'impossible'
      else lose(error)
    }
  }

  function lose(error: unknown): void {
    if (state === 'stopped') return
    if (state !== 'lost') {
      log.warn(
        { failure: describeError(error) },
        'session events are not heard: sessions that end elsewhere live until SESSION_CACHE_TTL'
      )
    }
    state = 'lost'
    stopListening = undefined
    const pause = Math.min(slowestRetryMs, firstRetryMs * 2 ** failures)
    failures++
    // Spread, so that the replicas of one database do not come back as one.
    callOff = later(pause * (0.5 + random() / 2), () => void open())
  }

  void open()
  return {
    get listening() {
      return state === 'listening'
    },
    get lost() {
      return state === 'lost' || state === 'opening'
    },
    async stop() {
      state = 'stopped'
      callOff()
      await stopListening?.()
    }
  }
}
