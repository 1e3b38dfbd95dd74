import { LiveSessions } from '../../auth/end-live-connections.ts'
import {
  createSessionResolver,
  type SessionResolver,
  type SessionResolverOptions
} from '../../auth/session-resolver.ts'
import { createCookieSigner } from '../../auth/signed-cookie.ts'
import type { SessionRecord } from '../../db/session-queries.ts'

export const day = 86_400_000
export const signer = createCookieSigner('a secret of at least thirty-two characters')
/** The cookie of the session whose token is `t1`, and the header that a browser sends with it. */
export const cookie = signer.sign('t1')
export const header = `s=${cookie}`

/** A store with one row, or none, and a clock. */
export interface World {
  now: number
  reads: number
  refreshes: number
  /** Tokens whose sessions were made due again, and since when they may have been refreshed. */
  dueAgain: string[]
  down: boolean
  row: SessionRecord | null
  /** Runs after a look-up has read and before it answers. */
  beforeAnswer: () => Promise<void> | void
}

/** A session resolver before a store and a clock that the test moves. */
export function sessionWorld(options: Partial<SessionResolverOptions> = {}): {
  world: World
  record: (over?: Partial<SessionRecord>) => SessionRecord
  sessions: SessionResolver
  ask: (value?: string, all?: string) => ReturnType<SessionResolver['resolve']>
} {
  const record = (over: Partial<SessionRecord> = {}): SessionRecord => ({
    token: 't1',
    sessionId: 's1',
    userId: 'u1',
    email: 'a@example.com',
    emailVerified: false,
    name: 'A',
    role: null,
    impersonatedBy: null,
    bannedUntil: null,
    told: {},
    createdAt: world.now,
    updatedAt: world.now,
    expiresAt: world.now + 7 * day,
    ...over
  })
  const world: World = {
    now: 1_000_000_000_000,
    reads: 0,
    refreshes: 0,
    dueAgain: [],
    down: false,
    row: null,
    beforeAnswer: () => {}
  }
  world.row = record()
  const sessions = createSessionResolver({
    cookieNames: { session: 's', dontRemember: 'd' },
    signer,
    async readSession() {
      world.reads++
      const seen = world.row
      await world.beforeAnswer()
      if (world.down) throw new Error('down')
      return seen
    },
    async refresh() {
      world.refreshes++
      world.row = record()
      return ['s=refreshed']
    },
    signedAnew: async () => [],
    async refreshAgain(token, since) {
      world.dueAgain.push(`${token} ${since}`)
    },
    sliding: { expiresInMs: 7 * day, updateAgeMs: day },
    live: new LiveSessions({
      readExpiries: async () => new Map(),
      readUsers: async () => new Set(),
      listening: () => true,
      sweepMs: 60_000,
      now: () => world.now
    }),
    cache: { ttlMs: 10_000, max: 100, staleMs: 0 },
    now: () => world.now,
    monotonicNow: () => world.now,
    ...options
  })
  return { world, record, sessions, ask: (value = cookie, all = header) => sessions.resolve(value, all) }
}
