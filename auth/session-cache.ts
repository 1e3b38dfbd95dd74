import { LRUCache } from 'lru-cache'
import type { Identity } from './identity.ts'

/** What a look-up found. `identity: null` remembers a well-signed cookie whose session does not exist. */
export interface Decision {
  readonly identity: Identity | null
  /** When the session itself ends, in ms since the epoch; Infinity for `identity: null`. */
  readonly expiresAt: number
}

interface Entry extends Decision {
  readonly freshUntil: number
}

interface Flight<T> {
  readonly promise: Promise<T>
  cancelled: boolean
}

export interface SessionCacheOptions {
  /** How long a decision may be reused, in ms. 0 turns the cache off; look-ups are still shared. */
  readonly ttlMs: number
  /** Sessions held at most. */
  readonly max: number
  /** How much longer a decision is kept for when the store is away, in ms. */
  readonly staleMs: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * The LRU of session decisions, keyed by the cookie's one spelling. A hit is synchronous. Any number of simultaneous
 * misses share one look-up, and an eviction reaches a look-up in flight: what it was reading may already be over.
 */
export class SessionCache<T> {
  readonly #entries: LRUCache<string, Entry>
  readonly #unknown: LRUCache<string, Entry>
  readonly #flights = new Map<string, Flight<T>>()
  readonly #keysOfUser = new Map<string, Set<string>>()
  readonly #options: SessionCacheOptions

  constructor(options: SessionCacheOptions) {
    this.#options = options
    this.#entries = new LRUCache({
      max: options.max,
      dispose: (entry, key) => this.#forgetUser(entry, key)
    })
    // A separate, smaller list: signed cookies of dead sessions must not push live ones out.
    this.#unknown = new LRUCache({ max: Math.max(1, Math.ceil(options.max / 10)) })
  }

  /** The decision for this key while it may be reused; undefined afterwards. */
  get(key: string): Decision | undefined {
    const entry = this.#entries.get(key) ?? this.#unknown.get(key)
    return entry !== undefined && this.#options.now() < entry.freshUntil ? entry : undefined
  }

  /** A decision that is past its time, but may still answer while the store is away (`SESSION_STALE_IF_ERROR`). */
  getStale(key: string): Decision | undefined {
    const entry = this.#entries.peek(key)
    if (entry === undefined) return undefined
    const now = this.#options.now()
    return now < Math.min(entry.freshUntil + this.#options.staleMs, entry.expiresAt) ? entry : undefined
  }

  /**
   * Runs `lookUp` once for all who ask for `key` at the same time. `remember` caches what was found, unless the key
   * was evicted meanwhile; such a look-up is repeated once, and what the second one says is answered, uncached.
   * Rejects with what `lookUp` rejects with.
   */
  share(key: string, lookUp: (remember: (decision: Decision) => void) => Promise<T>): Promise<T> {
    const running = this.#flights.get(key)
    if (running !== undefined) return running.promise
    const flight: Flight<T> = { promise: this.#run(key, lookUp, () => flight), cancelled: false }
    this.#flights.set(key, flight)
    return flight.promise
  }

  async #run(
    key: string,
    lookUp: (remember: (decision: Decision) => void) => Promise<T>,
    flight: () => Flight<T>
  ): Promise<T> {
    await null // the caller has to know this flight before the look-up can end
    const remember = (decision: Decision) => {
      if (!flight().cancelled) this.#remember(key, decision)
    }
    try {
      const result = await lookUp(remember)
      return flight().cancelled ? await lookUp(ignore) : result
    } finally {
      if (this.#flights.get(key) === flight()) this.#flights.delete(key)
    }
  }

  /** Drops one session's decision and cancels its look-up in flight. */
  evict(key: string): void {
    this.#entries.delete(key)
    this.#unknown.delete(key)
    const flight = this.#flights.get(key)
    if (flight !== undefined) {
      flight.cancelled = true
      this.#flights.delete(key)
    }
  }

  /** Drops every decision about one user. Whose session a look-up in flight will find is not known: all are repeated. */
  evictUser(userId: string): void {
    for (const key of [...(this.#keysOfUser.get(userId) ?? [])]) this.evict(key)
    this.#cancelFlights()
  }

  /** Drops everything. */
  clear(): void {
    this.#entries.clear()
    this.#unknown.clear()
    this.#keysOfUser.clear()
    this.#cancelFlights()
  }

  #cancelFlights(): void {
    for (const flight of this.#flights.values()) flight.cancelled = true
    this.#flights.clear()
  }

  #remember(key: string, decision: Decision): void {
    const { ttlMs, now } = this.#options
    if (ttlMs === 0) return
    const { identity, expiresAt } = decision
    const entry = { identity, expiresAt, freshUntil: Math.min(now() + ttlMs, expiresAt) }
    if (identity === null) {
      this.#entries.delete(key)
      this.#unknown.set(key, entry)
      return
    }
    this.#unknown.delete(key)
    this.#entries.set(key, entry)
    const keys = this.#keysOfUser.get(identity.userId)
    if (keys === undefined) this.#keysOfUser.set(identity.userId, new Set([key]))
    else keys.add(key)
  }

  #forgetUser(entry: Entry, key: string): void {
    if (entry.identity === null) return
    const keys = this.#keysOfUser.get(entry.identity.userId)
    keys?.delete(key)
    if (keys?.size === 0) this.#keysOfUser.delete(entry.identity.userId)
  }
}

function ignore(): void {}
