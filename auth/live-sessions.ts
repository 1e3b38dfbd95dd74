/** The session behind a connection that stays open. `session` and `user` are what events call them. */
export interface SessionReference {
  readonly token: string
  readonly session: string
  readonly user: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export interface LiveSessionsOptions {
  /** When each of these sessions expires, by token; without those that are over. Rejects when the store cannot answer. */
  readonly readExpiries: (tokens: readonly string[]) => Promise<ReadonlyMap<string, number>>
  /** Whether endings are announced, so that only expiry has to be looked for. */
  readonly hearing: () => boolean
  /** How often all of them are read where endings are not announced, in ms. */
  readonly sweepMs: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

interface Live {
  readonly reference: SessionReference
  readonly connections: Set<() => void>
  expiresAt: number
}

const batch = 500
// Until an expiry is noticed, and a reading that failed is tried again; looking costs nothing.
const lookEveryMs = 10_000

/**
 * The connections that stay open (WebSockets, event streams), by their session and user. What is said about a session
 * is a hint: it is read again, many in one query, and its connections are ended when that reading says that it is over.
 * A store that cannot answer ends nothing and is asked again.
 */
export class LiveSessions {
  readonly #options: LiveSessionsOptions
  readonly #bySession = new Map<string, Live>()
  readonly #byUser = new Map<string, Set<Live>>()
  readonly #doubtful = new Set<Live>()
  readonly #timer: NodeJS.Timeout
  readonly #looksEach: number
  #looks = 0
  #reading = false

  constructor(options: LiveSessionsOptions) {
    this.#options = options
    this.#looksEach = Math.ceil(options.sweepMs / lookEveryMs)
    this.#timer = setInterval(() => this.#look(), options.sweepMs / this.#looksEach)
    this.#timer.unref()
  }

  /** Ties a connection to its session, `end` being how to close it; answers how to untie it when it closes by itself. */
  tie(reference: SessionReference, end: () => void): () => void {
    const { session, user, expiresAt } = reference
    const live: Live = this.#bySession.get(session) ?? { reference, connections: new Set(), expiresAt }
    live.connections.add(end)
    this.#bySession.set(session, live)
    this.#byUser.set(user, (this.#byUser.get(user) ?? new Set()).add(live))
    // It may have ended since it was looked up, before anybody could know that it has a connection.
    this.#doubt([live])
    return () => {
      live.connections.delete(end)
      if (live.connections.size === 0) this.#drop(live)
    }
  }

  sessionChanged(session: string): void {
    const live = this.#bySession.get(session)
    if (live !== undefined) this.#doubt([live])
  }

  userChanged(user: string): void {
    this.#doubt(this.#byUser.get(user) ?? [])
  }

  /** Everything is read again. */
  anythingChanged(): void {
    this.#doubt(this.#bySession.values())
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  // What is past its expiry, and now and then all of it where endings are not announced.
  #look(): void {
    const now = this.#options.now()
    const all = ++this.#looks % this.#looksEach === 0 && !this.#options.hearing()
    this.#doubt([...this.#bySession.values()].filter((live) => all || live.expiresAt <= now))
  }

  #doubt(lives: Iterable<Live>): void {
    for (const live of lives) this.#doubtful.add(live)
    if (this.#doubtful.size === 0 || this.#reading) return
    this.#reading = true
    // What is said in one go is read in one go.
    setImmediate(() => this.#read().finally(() => this.#settle()))
  }

  #settle(): void {
    this.#reading = false
    this.#doubt([])
  }

  async #read(): Promise<void> {
    const lives = [...this.#doubtful].slice(0, batch)
    for (const live of lives) this.#doubtful.delete(live)
    const expiries = await this.#options.readExpiries(lives.map(({ reference }) => reference.token)).catch(() => null)
    if (expiries === null) {
      // Past their last known expiry, so that the next look asks again.
      for (const live of lives) live.expiresAt = 0
      return
    }
    for (const live of lives) {
      const expiresAt = expiries.get(live.reference.token)
      if (expiresAt !== undefined && expiresAt > this.#options.now()) live.expiresAt = expiresAt
      else this.#end(live)
    }
  }

  #end(live: Live): void {
    this.#drop(live)
    for (const end of live.connections) end()
  }

  #drop(live: Live): void {
    const { session, user } = live.reference
    if (this.#bySession.get(session) !== live) return
    this.#bySession.delete(session)
    this.#doubtful.delete(live)
    const others = this.#byUser.get(user)
    others?.delete(live)
    if (others?.size === 0) this.#byUser.delete(user)
  }
}
