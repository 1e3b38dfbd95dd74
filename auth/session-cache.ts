import { LRUCache } from 'lru-cache'
import type { Decision } from './session-validation.ts'

/** A decision that may be reused. */
export interface Held extends Decision {
  /** True for whoever asks first once the decision nears its end, and for nobody after: time to read ahead. */
  readonly aging: boolean
}

interface Entry extends Held {
  readonly freshUntil: number
  readonly session: string
  agesAt: number
  aging: boolean
}

interface Cancellable {
  cancelled: boolean
  /** When the look-up began, on the clock that never goes back; undefined until then. */
  sentAt: number | undefined
  /** Users who changed meanwhile: whose session this look-up will find is not known yet. */
  readonly usersChanged: Set<string>
}

type Flight<T> = Cancellable &
  (
    | { readonly ahead: false; readonly promise: Promise<T> }
    | { readonly ahead: true; readonly promise: Promise<T | undefined> }
  )

type LookUp<T> = (remember: (decision: Decision) => void) => Promise<T>

export interface SessionCacheOptions {
  /**
   * How long a decision may be reused, in ms, and a look-up under way be shared after it was sent. 0 turns the cache off;
   * requests that come before a look-up is sent still share it.
   */
  readonly ttlMs: number
  /** Sessions held at most. */
  readonly max: number
  /** How much longer a decision is kept for when the store is away, in ms. */
  readonly staleMs: number
  /** Milliseconds on a clock that never goes back: one that did would make decisions last longer. */
  readonly elapsed: () => number
  /** From 0 to 1. */
  readonly random?: (() => number) | undefined
}

/**
 * The LRU of session decisions, keyed by the cookie's one spelling. A hit is synchronous. Any number of simultaneous
 * misses share one look-up, or the one that follows it where that is older than a decision may be, and an eviction reaches a look-up in flight: what it was reading may already be over.
 */
export class SessionCache<T> {
  readonly #options: SessionCacheOptions
  readonly #entries: LRUCache<string, Entry>
  readonly #unknown: LRUCache<string, Entry>
  readonly #flights = new Map<string, Flight<T>>()
  /** What those wait for who came too late to share the look-up under way. */
  readonly #next = new Map<string, Promise<T>>()
  readonly #keyOfSession = new Map<string, string>()
  readonly #keysOfUser = new Map<string, Set<string>>()

  constructor(options: SessionCacheOptions) {
    this.#options = options
    const dispose = (entry: Entry, key: string, reason: LRUCache.DisposeReason) => {
      if (reason !== 'set') this.#forget(entry, key)
    }
    this.#entries = new LRUCache({ max: options.max, dispose })
    // A separate, smaller list: signed cookies of dead sessions must not push live ones out.
    this.#unknown = new LRUCache({ max: Math.max(1, Math.ceil(options.max / 10)), dispose })
  }

  /** The decision for this key while it may be reused; undefined afterwards. */
  get(key: string): Held | undefined {
    const entry = this.#entries.get(key) ?? this.#unknown.get(key)
    if (entry === undefined) return undefined
    const now = this.#options.elapsed()
    if (now >= entry.freshUntil) return undefined
    entry.aging = now >= entry.agesAt
    if (entry.aging) entry.agesAt = Number.POSITIVE_INFINITY
    return entry
  }

  /** A decision that is past its time, but may still answer while the store is away (`SESSION_STALE_IF_ERROR`). */
  getStale(key: string): Decision | undefined {
    const entry = this.#entries.peek(key)
    if (entry === undefined) return undefined
    const now = this.#options.elapsed()
    return now < Math.min(entry.freshUntil + this.#options.staleMs, entry.endsAt) ? entry : undefined
  }

  /**
   * Runs `lookUp` once for all who ask for `key` at the same time. Whoever comes when the look-up under way was sent
   * `ttlMs` ago or earlier is not answered by it, which may have been read before a session ended that ended before they
   * came: they wait for it, and share the next. `remember` caches what was found, unless the session
   * or its user was evicted meanwhile; such a look-up is repeated once, and what the second one says is answered,
   * uncached. Rejects with what `lookUp` rejects with.
   */
  share(key: string, session: string, lookUp: LookUp<T>): Promise<T> {
    const running = this.#flights.get(key)
    if (running !== undefined && !this.#isRecent(running)) return this.#shareNext(key, session, lookUp, running.promise)
    if (running?.ahead === true) {
      return running.promise.then((found) => found ?? this.share(key, session, lookUp))
    }
    if (running !== undefined) return running.promise
    const state = notYetCancelled()
    const promise = this.#run(key, session, lookUp, state)
    this.#flights.set(key, Object.assign(state, { ahead: false as const, promise }))
    return promise
  }

  #isRecent({ sentAt }: Cancellable): boolean {
    return sentAt === undefined || this.#options.elapsed() - sentAt < this.#options.ttlMs
  }

  // One after the other, so that one cookie keeps the store at one look-up at a time, however slow it is.
  #shareNext(key: string, session: string, lookUp: LookUp<T>, before: Promise<unknown>): Promise<T> {
    const waiting = this.#next.get(key)
    if (waiting !== undefined) return waiting
    const next = before.then(ignore, ignore).then(() => {
      this.#next.delete(key)
      return this.share(key, session, lookUp)
    })
    this.#next.set(key, next)
    return next
  }

  /**
   * The same before anybody needs it. Where `lookUp` answers undefined nothing is remembered, and whoever came to wait
   * for it looks up for themselves. Never throws.
   */
  readAhead(key: string, session: string, lookUp: LookUp<T | undefined>): void {
    if (this.#flights.has(key)) return
    const state = notYetCancelled()
    const promise = this.#run(key, session, lookUp, state)
    this.#flights.set(key, Object.assign(state, { ahead: true as const, promise }))
    promise.catch(ignore)
  }

  async #run<R>(key: string, session: string, lookUp: LookUp<R>, flight: Cancellable): Promise<R> {
    this.#keyOfSession.set(session, key)
    await null // the caller has to make this flight known before the look-up can begin
    const remember = (decision: Decision) => {
      const { user } = decision
      if (user !== null && flight.usersChanged.has(user)) flight.cancelled = true
      if (!flight.cancelled) this.#remember(key, session, decision)
    }
    flight.sentAt = this.#options.elapsed()
    try {
      const result = await lookUp(remember)
      if (!flight.cancelled) return result
      // Something may change once more while it is repeated, and whoever asks after that must not be answered by it.
      this.#land(key, flight)
      return await lookUp(ignore)
    } finally {
      this.#land(key, flight)
      const held = this.#entries.has(key) || this.#unknown.has(key) || this.#flights.has(key)
      if (!held) this.#keyOfSession.delete(session)
    }
  }

  #land(key: string, flight: Cancellable): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }

  /** Drops one session's decision and cancels its look-up in flight. */
  evictSession(session: string): void {
    const key = this.#keyOfSession.get(session)
    if (key === undefined) return
    const flight = this.#flights.get(key)
    if (flight !== undefined) {
      flight.cancelled = true
      this.#flights.delete(key)
    }
    this.#entries.delete(key)
    this.#unknown.delete(key)
  }

  /** Drops every decision about one user, and those that look-ups in flight are about to make. */
  evictUser(user: string): void {
    for (const key of [...(this.#keysOfUser.get(user) ?? [])]) {
      this.#entries.delete(key)
      this.#unknown.delete(key)
    }
    for (const flight of this.#flights.values()) flight.usersChanged.add(user)
  }

  /** Drops everything. */
  clear(): void {
    for (const flight of this.#flights.values()) flight.cancelled = true
    this.#flights.clear()
    this.#entries.clear()
    this.#unknown.clear()
  }

  #remember(key: string, session: string, { identity, user, readAt, endsAt }: Decision): void {
    const { ttlMs, random = Math.random } = this.#options
    if (ttlMs === 0) return
    const freshUntil = Math.min(readAt + ttlMs, endsAt)
    // Spread, so that what was read in one moment is not read again in one.
    const agesAt = identity === null ? Number.POSITIVE_INFINITY : readAt + ttlMs * (0.75 + random() * 0.15)
    const entry: Entry = { identity, user, readAt, endsAt, session, freshUntil, agesAt, aging: false }
    if (identity === null) {
      this.#entries.delete(key)
      this.#unknown.set(key, entry)
    } else {
      this.#unknown.delete(key)
      this.#entries.set(key, entry)
    }
    if (user !== null) this.#keysOfUser.set(user, (this.#keysOfUser.get(user) ?? new Set()).add(key))
    this.#keyOfSession.set(session, key)
  }

  #forget({ user, session }: Entry, key: string): void {
    if (!this.#flights.has(key)) this.#keyOfSession.delete(session)
    if (user === null) return
    const keys = this.#keysOfUser.get(user)
    keys?.delete(key)
    if (keys?.size === 0) this.#keysOfUser.delete(user)
  }
}

function notYetCancelled(): Cancellable {
  return { cancelled: false, sentAt: undefined, usersChanged: new Set() }
}

function ignore(): void {}
