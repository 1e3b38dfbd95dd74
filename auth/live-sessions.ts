/** The session behind a connection that stays open. `session` and `user` are what events call them. */
export interface SessionReference {
  readonly token: string
  readonly userId: string
  readonly session: string
  readonly user: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export interface TieOptions {
  /** The connection outlasts its session, however that ends, and is ended only when its user is banned or deleted. */
  readonly keepOpen?: boolean
}

export interface LiveSessionsOptions {
  /** When each of these sessions expires, by token; without those that are over. Rejects when the store cannot answer. */
  readonly readExpiries: (tokens: readonly string[]) => Promise<ReadonlyMap<string, number>>
  /** Those of these user ids that exist and are not banned. Rejects when the store cannot answer. */
  readonly readUsers: (userIds: readonly string[]) => Promise<ReadonlySet<string>>
  /** Whether endings are announced, so that only expiry has to be looked for. */
  readonly hearing: () => boolean
  /** How often all of them are read where endings are not announced, in ms. */
  readonly sweepMs: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** A session with the connections that end with it. */
interface Live {
  readonly reference: SessionReference
  readonly connections: Set<() => void>
  expiresAt: number
}

/** A user with the connections that outlast their session. */
interface Kept {
  readonly reference: Pick<SessionReference, 'user' | 'userId'>
  readonly connections: Set<() => void>
  /** The store could not be asked about the user. */
  unread: boolean
}

// Until an expiry is noticed, and a reading that failed is tried again; looking costs nothing.
const lookEveryMs = 10_000

/**
 * The connections that stay open, by their session and user. What is said about either is a hint: it is read again, many
 * in one query, and connections are ended when that reading says that the session is over, or, for those that outlast
 * it, that the user is gone or banned. A store that cannot answer ends nothing and is asked again.
 */
export class LiveSessions {
  readonly #options: LiveSessionsOptions
  readonly #bySession = new Map<string, Live>()
  readonly #byUser = new Map<string, Set<Live>>()
  readonly #keptByUser = new Map<string, Kept>()
  readonly #doubtfulSessions = new Doubts<Live>((lives) => this.#readSessions(lives))
  readonly #doubtfulUsers = new Doubts<Kept>((kept) => this.#readUsers(kept))
  /** Users of whom every session is in doubt already: a thousand that are deleted together are told one by one. */
  readonly #usersInDoubt = new Set<string>()
  readonly #timer: NodeJS.Timeout
  readonly #looksEach: number
  #looks = 0

  constructor(options: LiveSessionsOptions) {
    this.#options = options
    this.#looksEach = Math.ceil(options.sweepMs / lookEveryMs)
    this.#timer = setInterval(() => this.#look(), options.sweepMs / this.#looksEach)
    this.#timer.unref()
  }

  /**
   * Ties a connection to its session, `end` being how to close it; answers how to untie it when it closes by itself.
   * `end` is called once at most: when the session is over, or with `keepOpen` when the user is gone or banned, be it
   * before this call or long after the session's own end.
   */
  tie(reference: SessionReference, end: () => void, { keepOpen = false }: TieOptions = {}): () => void {
    return keepOpen ? this.#tieToUser(reference, end) : this.#tieToSession(reference, end)
  }

  #tieToSession(reference: SessionReference, end: () => void): () => void {
    const { session, user, expiresAt } = reference
    const live: Live = this.#bySession.get(session) ?? { reference, connections: new Set(), expiresAt }
    live.connections.add(end)
    this.#bySession.set(session, live)
    this.#byUser.set(user, (this.#byUser.get(user) ?? new Set()).add(live))
    // It may have ended since it was looked up, before anybody could know that it has a connection.
    this.#doubtfulSessions.add([live])
    return () => {
      live.connections.delete(end)
      if (live.connections.size === 0) this.#dropSession(live)
    }
  }

  #tieToUser({ user, userId }: SessionReference, end: () => void): () => void {
    const kept = this.#keptByUser.get(user) ?? { reference: { user, userId }, connections: new Set(), unread: false }
    kept.connections.add(end)
    this.#keptByUser.set(user, kept)
    this.#doubtfulUsers.add([kept])
    return () => {
      kept.connections.delete(end)
      if (kept.connections.size === 0) this.#dropUser(kept)
    }
  }

  sessionChanged(session: string): void {
    const live = this.#bySession.get(session)
    if (live !== undefined) this.#doubtfulSessions.add([live])
  }

  userChanged(user: string): void {
    if (!this.#usersInDoubt.has(user)) this.#doubtfulSessions.add(this.#byUser.get(user) ?? [])
    if (this.#byUser.has(user)) this.#usersInDoubt.add(user)
    const kept = this.#keptByUser.get(user)
    if (kept !== undefined) this.#doubtfulUsers.add([kept])
  }

  /** Everything is read again. */
  anythingChanged(): void {
    this.#doubtfulSessions.add(this.#bySession.values())
    this.#doubtfulUsers.add(this.#keptByUser.values())
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  // What is past its expiry or could not be read, and now and then all of it where endings are not announced.
  #look(): void {
    const now = this.#options.now()
    const all = ++this.#looks % this.#looksEach === 0 && !this.#options.hearing()
    this.#doubtfulSessions.add([...this.#bySession.values()].filter((live) => all || live.expiresAt <= now))
    this.#doubtfulUsers.add([...this.#keptByUser.values()].filter((kept) => all || kept.unread))
  }

  async #readSessions(lives: readonly Live[]): Promise<void> {
    this.#usersInDoubt.clear()
    const expiries = await this.#options.readExpiries(lives.map(({ reference }) => reference.token)).catch(() => null)
    if (expiries === null) {
      // Past their last known expiry, so that the next look asks again.
      for (const live of lives) live.expiresAt = 0
      return
    }
    for (const live of lives) {
      const expiresAt = expiries.get(live.reference.token)
      if (expiresAt !== undefined && expiresAt > this.#options.now()) live.expiresAt = expiresAt
      else {
        this.#dropSession(live)
        for (const end of live.connections) end()
      }
    }
  }

  async #readUsers(all: readonly Kept[]): Promise<void> {
    const admitted = await this.#options.readUsers(all.map(({ reference }) => reference.userId)).catch(() => null)
    for (const kept of all) {
      kept.unread = admitted === null
      if (admitted === null || admitted.has(kept.reference.userId)) continue
      this.#dropUser(kept)
      for (const end of kept.connections) end()
    }
  }

  #dropSession(live: Live): void {
    const { session, user } = live.reference
    if (this.#bySession.get(session) !== live) return
    this.#bySession.delete(session)
    this.#doubtfulSessions.forget(live)
    const others = this.#byUser.get(user)
    others?.delete(live)
    if (others?.size === 0) this.#byUser.delete(user)
  }

  #dropUser(kept: Kept): void {
    const { user } = kept.reference
    if (this.#keptByUser.get(user) !== kept) return
    this.#keptByUser.delete(user)
    this.#doubtfulUsers.forget(kept)
  }
}

const batch = 500

/**
 * What has to be read again. Whatever is doubted in one turn of the event loop is read together, 500 at a time, one
 * reading after the other until nothing is in doubt. `read` handles its own failures: it must not reject.
 */
export class Doubts<T> {
  readonly #read: (doubtful: readonly T[]) => Promise<void>
  readonly #doubtful = new Set<T>()
  #reading = false

  constructor(read: (doubtful: readonly T[]) => Promise<void>) {
    this.#read = read
  }

  add(items: Iterable<T>): void {
    for (const item of items) this.#doubtful.add(item)
    if (this.#doubtful.size === 0 || this.#reading) return
    this.#reading = true
    setImmediate(() => this.#next().finally(() => this.#settle()))
  }

  forget(item: T): void {
    this.#doubtful.delete(item)
  }

  #next(): Promise<void> {
    const next = [...this.#doubtful].slice(0, batch)
    for (const item of next) this.#doubtful.delete(item)
    return next.length === 0 ? Promise.resolve() : this.#read(next)
  }

  #settle(): void {
    this.#reading = false
    this.add([])
  }
}
