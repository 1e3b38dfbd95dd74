/**
 * What the test knows about one session, in ms since the epoch. Before `endsFrom` it is alive and nothing else; from
 * `endedAt` on it is dead and nothing else; in between, as after an operation whose answer was lost, neither is wrong.
 */
export interface Session {
  readonly token: string
  /** Its `Cookie` header. */
  readonly cookie: string
  readonly userId: string
  endsFrom: number | undefined
  endedAt: number | undefined
}

/** Somebody whose sessions one lane of operations starts and ends. */
export interface Person {
  readonly userId: string
  readonly email: string
  readonly password: string
  sessions: Session[]
}

/** Whether nothing has begun that could end it. */
export function isAlive({ endsFrom }: Session): boolean {
  return endsFrom === undefined
}

/** Every session of the test, and whether there is one to ask about. */
export class Model {
  readonly #alive = new Set<Session>()
  readonly #over: Session[] = []
  /** Hears of every session that is dead from now on. */
  onEnded: (session: Session) => void = () => {}

  get alive(): ReadonlySet<Session> {
    return this.#alive
  }

  /** Those that ended last, up to 200. */
  get over(): readonly Session[] {
    return this.#over
  }

  started(person: Person, token: string, cookie: string): Session {
    const session: Session = { token, cookie, userId: person.userId, endsFrom: undefined, endedAt: undefined }
    person.sessions.push(session)
    this.#alive.add(session)
    return session
  }

  /** Something is about to be done that ends these. */
  ending(sessions: readonly Session[]): void {
    for (const session of sessions) {
      session.endsFrom ??= Date.now()
      this.#alive.delete(session)
    }
  }

  /** It was done. */
  ended(person: Person, sessions: readonly Session[]): void {
    for (const session of sessions) {
      if (session.endedAt !== undefined) continue
      session.endedAt = Date.now()
      this.#over.push(session)
      if (this.#over.length > 200) this.#over.shift()
      this.onEnded(session)
    }
    person.sessions = person.sessions.filter((session) => session.endedAt === undefined)
  }
}
