/** The session that a connection is tied to. */
export interface SessionReference {
  readonly token: string
  readonly userId: string
  /** The hashes by which events name the session and its user. */
  readonly session: string
  readonly user: string
  /** When it ends as things are, in ms since the epoch: the next refresh or use may put it off. */
  readonly endsAt: number
}

export interface TieOptions {
  /** The connection outlasts its session, however that ends, and is ended only when its user is banned or deleted. */
  readonly keepOpen?: boolean
}

export interface LiveSessionsOptions {
  /** When each of these sessions ends, by token; without those that are over. Rejects when the store cannot answer. */
  readonly readExpiries: (tokens: readonly string[]) => Promise<ReadonlyMap<string, number>>
  /** Those of these user ids that exist and are not banned. Rejects when the store cannot answer. */
  readonly readUsers: (userIds: readonly string[]) => Promise<ReadonlySet<string>>
  /** Whether session events arrive, so that only expiry has to be looked for. */
  readonly listening: () => boolean
  /** How often everything is read where session events do not arrive, in ms. */
  readonly sweepMs: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

// How late an expiry may be noticed and a failed reading repeated. Looking for both reads nothing from the store.
const checkEveryMs = 10_000

/**
 * The connections that stay open, by their session and user. An event about either is a hint: the store is read again,
 * many sessions in one query, and connections are ended when it says that their session is over, or, for those that
 * outlast their session, that their user is deleted or banned. A store that cannot answer ends nothing and is read again.
 */
export class LiveSessions {
  readonly #sessions: TiedConnections
  readonly #users: TiedConnections
  readonly #timer: NodeJS.Timeout

  constructor({ readExpiries, readUsers, listening, sweepMs, now }: LiveSessionsOptions) {
    const endlessly = (userIds: ReadonlySet<string>) =>
      new Map([...userIds].map((id) => [id, Number.POSITIVE_INFINITY]))
    this.#sessions = new TiedConnections(readExpiries, now)
    this.#users = new TiedConnections(async (userIds) => endlessly(await readUsers(userIds)), now)
    const checksPerSweep = Math.ceil(sweepMs / checkEveryMs)
    let checks = 0
    this.#timer = setInterval(() => {
      if (++checks % checksPerSweep === 0 && !listening()) return this.anythingChanged()
      this.#sessions.revalidateExpired()
      this.#users.revalidateExpired()
    }, sweepMs / checksPerSweep)
    this.#timer.unref()
  }

  /**
   * Ties a connection to its session, `end` being how to close it; returns how to untie it when it closes by itself.
   * `end` is called once at most: when the session is over, or with `keepOpen` when the user is deleted or banned, be it
   * before this call or long after the session's own end.
   */
  tie(reference: SessionReference, end: () => void, { keepOpen = false }: TieOptions = {}): () => void {
    const { token, userId, session, user, endsAt } = reference
    return keepOpen
      ? this.#users.add({ id: userId, name: user, user, validUntil: Number.POSITIVE_INFINITY }, end)
      : this.#sessions.add({ id: token, name: session, user, validUntil: endsAt }, end)
  }

  sessionChanged(session: string): void {
    this.#sessions.revalidate(session)
  }

  userChanged(user: string): void {
    this.#sessions.revalidateUser(user)
    this.#users.revalidateUser(user)
  }

  /** Everything is read again. */
  anythingChanged(): void {
    this.#sessions.revalidateAll()
    this.#users.revalidateAll()
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/** A session, or a user whose connections outlast their sessions. */
interface Subject {
  /** What the store is asked about: the session's token, or the user's id. */
  readonly id: string
  /** The hash by which events name the subject, and that of its user. */
  readonly name: string
  readonly user: string
  /** Milliseconds since the epoch. In the past when the last reading failed, so that the next check repeats it. */
  validUntil: number
}

interface Tied extends Subject {
  /** How to end each connection. */
  readonly ends: Set<() => void>
}

const batchSize = 500

/**
 * Subjects of one kind with their connections. All that are to be revalidated in one turn of the event loop are read
 * together, 500 at a time, one batch after the other. `read` answers until when each id is valid, without those that
 * are over.
 */
class TiedConnections {
  readonly #read: LiveSessionsOptions['readExpiries']
  readonly #now: () => number
  readonly #byName = new Map<string, Tied>()
  readonly #byUser = new Map<string, Set<Tied>>()
  readonly #queue = new Set<Tied>()
  /** Users whose subjects are all queued: each of a thousand sessions that are deleted together brings an event of its own. */
  readonly #queuedUsers = new Set<string>()
  #reading = false

  constructor(read: LiveSessionsOptions['readExpiries'], now: () => number) {
    this.#read = read
    this.#now = now
  }

  add(subject: Subject, end: () => void): () => void {
    const { name, user } = subject
    const tied = this.#byName.get(name) ?? { ...subject, ends: new Set() }
    tied.ends.add(end)
    this.#byName.set(name, tied)
    this.#byUser.set(user, (this.#byUser.get(user) ?? new Set()).add(tied))
    // It may have ended since it was looked up, before anybody could know that it has a connection.
    this.#enqueue([tied])
    return () => {
      tied.ends.delete(end)
      if (tied.ends.size === 0) this.#drop(tied)
    }
  }

  revalidate(name: string): void {
    const tied = this.#byName.get(name)
    if (tied !== undefined) this.#enqueue([tied])
  }

  revalidateUser(user: string): void {
    const all = this.#byUser.get(user)
    if (all === undefined || this.#queuedUsers.has(user)) return
    this.#queuedUsers.add(user)
    this.#enqueue(all)
  }

  revalidateAll(): void {
    this.#enqueue(this.#byName.values())
  }

  revalidateExpired(): void {
    const now = this.#now()
    this.#enqueue([...this.#byName.values()].filter(({ validUntil }) => validUntil <= now))
  }

  #enqueue(subjects: Iterable<Tied>): void {
    for (const tied of subjects) this.#queue.add(tied)
    if (this.#queue.size === 0 || this.#reading) return
    this.#reading = true
    setImmediate(async () => {
      await this.#readBatch()
      this.#reading = false
      this.#enqueue([])
    })
  }

  async #readBatch(): Promise<void> {
    const batch = [...this.#queue].slice(0, batchSize)
    for (const tied of batch) this.#queue.delete(tied)
    this.#queuedUsers.clear()
    if (batch.length === 0) return
    const validity = await this.#read(batch.map(({ id }) => id)).catch(() => null)
    for (const tied of batch) {
      tied.validUntil = validity === null ? 0 : (validity.get(tied.id) ?? Number.NEGATIVE_INFINITY)
      if (validity === null || tied.validUntil > this.#now()) continue
      this.#drop(tied)
      for (const end of tied.ends) end()
    }
  }

  #drop(tied: Tied): void {
    const { name, user } = tied
    if (this.#byName.get(name) !== tied) return
    this.#byName.delete(name)
    this.#queue.delete(tied)
    const others = this.#byUser.get(user)
    others?.delete(tied)
    if (others?.size === 0) this.#byUser.delete(user)
  }
}
