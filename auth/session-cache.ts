import { LRUCache } from 'lru-cache'
import type { Decision, SessionVerdict } from './session-verdict.ts'

/** A decision that may be reused. */
export interface CachedDecision extends Decision {
  readonly session: string
  readonly freshUntil: number
  readAheadAt: number
  /** Set by `get` for one caller, once the decision nears its end: that caller has to read the session ahead. */
  readAheadDue: boolean
}

interface LookUpInFlight {
  /** Undefined from a look-up ahead of need that found nothing to decide. */
  readonly promise: Promise<SessionVerdict | undefined>
  cancelled: boolean
  /** When the look-up began, on the monotonic clock; undefined until then. */
  sentAt: number | undefined
  /** Users who changed meanwhile: only the look-up's result tells whether it is about one of them. */
  readonly usersChanged: Set<string>
}

type LookUp<T> = (remember: (decision: Decision) => void) => Promise<T>

export interface SessionCacheOptions {
  /**
   * How long a decision may be reused, in ms, and a look-up in flight be shared after it was sent. 0 turns the cache off;
   * requests that come before a look-up is sent still share it.
   */
  readonly ttlMs: number
  /** Sessions held at most. */
  readonly max: number
  /** How much longer a decision is kept for when the store is unreachable, in ms. */
  readonly staleMs: number
  /** Milliseconds on a monotonic clock: one that went back would make decisions last longer. */
  readonly monotonicNow: () => number
  /** From 0 to 1. */
  readonly random?: (() => number) | undefined
}

/**
 * The LRU cache of session decisions, keyed by the session cookie's canonical spelling. A hit is synchronous. Simultaneous
 * misses share one look-up. An eviction also cancels the look-up in flight, because the session that it reads may be over.
 */
export class SessionCache {
  readonly #options: SessionCacheOptions
  readonly #entries: LRUCache<string, CachedDecision>
  readonly #negativeEntries: LRUCache<string, CachedDecision>
  readonly #inFlight = new Map<string, LookUpInFlight>()
  readonly #keyOfSession = new Map<string, string>()
  readonly #keysOfUser = new Map<string, Set<string>>()

  constructor(options: SessionCacheOptions) {
    this.#options = options
    const dispose = (entry: CachedDecision, key: string, reason: LRUCache.DisposeReason) => {
      if (reason !== 'set') this.#removeFromIndexes(entry, key)
    }
    this.#entries = new LRUCache({ max: options.max, dispose })
    // A smaller cache of its own: well-signed cookies of ended sessions must not evict live sessions.
    this.#negativeEntries = new LRUCache({ max: Math.max(1, Math.ceil(options.max / 10)), dispose })
  }

  /** The decision for this key while it may be reused; undefined afterwards. */
  get(key: string): CachedDecision | undefined {
    const entry = this.#entries.get(key) ?? this.#negativeEntries.get(key)
    if (entry === undefined) return undefined
    const now = this.#options.monotonicNow()
    if (now >= entry.freshUntil) return undefined
    entry.readAheadDue = now >= entry.readAheadAt
    if (entry.readAheadDue) entry.readAheadAt = Number.POSITIVE_INFINITY
    return entry
  }

  /** An expired decision that may still be used while the store is unreachable (`SESSION_STALE_IF_ERROR`). */
  getStale(key: string): Decision | undefined {
    const entry = this.#entries.peek(key)
    if (entry === undefined) return undefined
    const now = this.#options.monotonicNow()
    return now < Math.min(entry.freshUntil + this.#options.staleMs, entry.endsAt) ? entry : undefined
  }

  /**
   * Runs `lookUp` once for all who ask for `key` at the same time. Whoever comes `ttlMs` or longer after the look-up in
   * flight was sent waits for it, but is not answered by it: it may have been read before a session ended that ended
   * before they came. They share the next one, so that one cookie has one look-up in the store at a time.
   *
   * `remember` caches what was found, unless the session or its user was evicted meanwhile; such a look-up is repeated
   * once, and its second result is returned and not cached. Rejects with what `lookUp` rejects with.
   */
  async share(key: string, session: string, lookUp: LookUp<SessionVerdict>): Promise<SessionVerdict> {
    const running = this.#inFlight.get(key)
    const { ttlMs, monotonicNow } = this.#options
    if (running?.sentAt !== undefined && monotonicNow() - running.sentAt >= ttlMs) {
      // All who wait here continue together: the first starts the next look-up, and the others share it.
      await running.promise.catch(() => {})
      return this.share(key, session, lookUp)
    }
    const { promise } = running ?? this.#start(key, session, lookUp)
    return (await promise) ?? this.share(key, session, lookUp)
  }

  /**
   * Looks a session up before anybody needs it. Where `lookUp` answers undefined nothing is cached, and whoever came to
   * share its result starts a look-up of their own. Never throws.
   */
  readAhead(key: string, session: string, lookUp: LookUp<SessionVerdict | undefined>): void {
    if (!this.#inFlight.has(key)) this.#start(key, session, lookUp).promise.catch(() => {})
  }

  #start(key: string, session: string, lookUp: LookUp<SessionVerdict | undefined>): LookUpInFlight {
    this.#keyOfSession.set(session, key)
    const flight: LookUpInFlight = {
      // Sent in a microtask: evictions have to find this look-up in the map first.
      promise: Promise.resolve().then(() => this.#run(key, session, lookUp, flight)),
      cancelled: false,
      sentAt: undefined,
      usersChanged: new Set()
    }
    this.#inFlight.set(key, flight)
    return flight
  }

  async #run<R>(key: string, session: string, lookUp: LookUp<R>, flight: LookUpInFlight): Promise<R> {
    const remember = (decision: Decision) => {
      const { user } = decision
      if (user !== null && flight.usersChanged.has(user)) flight.cancelled = true
      if (!flight.cancelled) this.#remember(key, session, decision)
    }
    flight.sentAt = this.#options.monotonicNow()
    try {
      const result = await lookUp(remember)
      if (!flight.cancelled) return result
      // The session may change again during the repetition, so nobody who asks from now on may share it.
      this.#land(key, flight)
      return await lookUp(() => {})
    } finally {
      this.#land(key, flight)
      const known = this.#entries.has(key) || this.#negativeEntries.has(key) || this.#inFlight.has(key)
      if (!known) this.#keyOfSession.delete(session)
    }
  }

  #land(key: string, flight: LookUpInFlight): void {
    if (this.#inFlight.get(key) === flight) this.#inFlight.delete(key)
  }

  /** Drops one session's decision and cancels its look-up in flight. */
  evictSession(session: string): void {
    const key = this.#keyOfSession.get(session)
    if (key === undefined) return
    const flight = this.#inFlight.get(key)
    if (flight !== undefined) flight.cancelled = true
    this.#inFlight.delete(key)
    this.#drop(key)
  }

  /** Drops every decision about one user, and those that look-ups in flight are about to make. */
  evictUser(user: string): void {
    for (const key of [...(this.#keysOfUser.get(user) ?? [])]) this.#drop(key)
    for (const flight of this.#inFlight.values()) flight.usersChanged.add(user)
  }

  /** Drops everything. */
  clear(): void {
    for (const flight of this.#inFlight.values()) flight.cancelled = true
    this.#inFlight.clear()
    this.#entries.clear()
    this.#negativeEntries.clear()
  }

  #drop(key: string): void {
    this.#entries.delete(key)
    this.#negativeEntries.delete(key)
  }

  #remember(key: string, session: string, decision: Decision): void {
    const { identity, user, readAt, endsAt, noteUseAt } = decision
    const { ttlMs, random = Math.random } = this.#options
    if (ttlMs === 0) return
    // Once the next use has to be noted the session is read again, so that no use of it is lost in here. Where that is
    // due already it has just failed, and is tried again after the usual time.
    const freshUntil = Math.min(readAt + ttlMs, endsAt, noteUseAt > readAt ? noteUseAt : Number.POSITIVE_INFINITY)
    // Spread at random, so that sessions that were read together are not read again together.
    const readAheadAt = identity === null ? Number.POSITIVE_INFINITY : readAt + ttlMs * (0.75 + random() * 0.15)
    const entry = { ...decision, session, freshUntil, readAheadAt, readAheadDue: false }
    const [cache, other] =
      identity === null ? [this.#negativeEntries, this.#entries] : [this.#entries, this.#negativeEntries]
    other.delete(key)
    cache.set(key, entry)
    if (user !== null) this.#keysOfUser.set(user, (this.#keysOfUser.get(user) ?? new Set()).add(key))
    this.#keyOfSession.set(session, key)
  }

  #removeFromIndexes({ user, session }: CachedDecision, key: string): void {
    if (!this.#inFlight.has(key)) this.#keyOfSession.delete(session)
    if (user === null) return
    const keys = this.#keysOfUser.get(user)
    keys?.delete(key)
    if (keys?.size === 0) this.#keysOfUser.delete(user)
  }
}
