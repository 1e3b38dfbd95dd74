import type { Logger } from 'pino'
import type { Database } from '../db/database.ts'
import { PooledConnectionError } from '../db/database-errors.ts'
import type { SessionResolver } from './session-resolver.ts'

export interface SessionEventsOptions {
  readonly database: Pick<Database, 'listen' | 'eventChannel'>
  readonly log: Pick<Logger, 'info' | 'warn'>
}

/** The subscription to the session events that the database's triggers send. */
export type SessionEvents = ReturnType<typeof createSessionEvents>

const firstRetryMs = 200
const slowestRetryMs = 1_500

/**
 * Listens for what the database's triggers tell about sessions and users. A lost channel is opened again with growing
 * pauses. While it is lost decisions keep their remaining time; once it is open again all are read again, because events
 * may have been missed. Never rejects.
 */
export function createSessionEvents({ database, log }: SessionEventsOptions) {
  let state: 'opening' | 'listening' | 'lost' | 'impossible' | 'stopped' = 'opening'
  let sessions: Pick<SessionResolver, 'handleEvent' | 'clear'> | undefined
  let failures = 0
  let retry: NodeJS.Timeout | undefined
  let stopListening: (() => Promise<void>) | undefined

  async function open(): Promise<void> {
    try {
      const stop = await database.listen(database.eventChannel, (payload) => sessions?.handleEvent(payload), lose)
      if (state === 'stopped') return await stop()
      stopListening = stop
      sessions?.clear()
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
      log.warn({ err: error }, 'session events are not heard: sessions that end elsewhere live until SESSION_CACHE_TTL')
    }
    state = 'lost'
    stopListening = undefined
    const pause = Math.min(slowestRetryMs, firstRetryMs * 2 ** failures)
    failures++
    // Spread at random, so that the replicas of one database do not all come back at once.
    retry = setTimeout(open, pause * (0.5 + Math.random() / 2)).unref()
  }

  return {
    /** Begins to listen, and hands every event to the resolver. Never throws. */
    start(resolver: Pick<SessionResolver, 'handleEvent' | 'clear'>): void {
      sessions = resolver
      void open()
    },
    /** Whether events arrive right now. False too where this database's address cannot listen at all. */
    get listening(): boolean {
      return state === 'listening'
    },
    /** Whether events should arrive and do not. */
    get lost(): boolean {
      return state === 'lost' || state === 'opening'
    },
    async stop(): Promise<void> {
      state = 'stopped'
      clearTimeout(retry)
      await stopListening?.()
    }
  }
}
