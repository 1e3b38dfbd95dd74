import { randomBytes } from 'node:crypto'
import type { Random } from '../fuzz/random.ts'
import { type Answer, Browser } from '../support/browser.ts'
import { browserOf, post } from './acting.ts'
import { authLimitMs } from './bounds.ts'
import type { Judge } from './judge.ts'
import { type Kind, pickKind } from './kinds.ts'
import { isAlive, type Model, type Person, type Session } from './model.ts'
import { count } from './statistics.ts'
import { cookieOf, type Replica, tokenOf, type World } from './world.ts'

const peoplePerLane = 3
const sessionsPerPerson = 5

export interface LaneOptions {
  readonly world: World
  readonly model: Model
  readonly judge: Judge
  readonly random: Random
  /** Whether sessions are refreshed all the time. A refresh under way may then undo an expiry that SQL has set. */
  readonly refreshing: boolean
  readonly counts: Record<string, number>
}

/** Starts and ends sessions of people of its own, one operation after the other, in the order that its seed says. */
export class Lane {
  readonly #options: LaneOptions
  readonly #people: (Person | undefined)[] = Array.from({ length: peoplePerLane }, () => undefined)

  constructor(options: LaneOptions) {
    this.#options = options
  }

  /** One operation. Never rejects. */
  async step(): Promise<void> {
    const { random, counts, judge } = this.#options
    const kind = pickKind(random)
    const place = random.below(peoplePerLane)
    const picked = random.below(sessionsPerPerson)
    const replica = this.#options.world.replicas[random.below(2)] ?? this.#options.world.replicas[0]
    try {
      const person = this.#people[place] ?? (await this.#newPerson(place))
      const alive = person.sessions.filter(isAlive)
      const session = alive[picked % Math.max(1, alive.length)]
      const done = session === undefined || alive.length > sessionsPerPerson ? undefined : kind
      count(counts, done ?? 'mint')
      // The same numbers are drawn whatever became of the operations before.
      if (session === undefined) await this.#mint(person)
      else if (done === undefined)
        await this.#endBySql(person, [session], 'delete from session where token = $1', [session.token])
      else await this.#do(done, place, person, session, replica)
    } catch (error) {
      judge.find(`the operation ${kind} failed: ${error}`)
    }
  }

  async #do(kind: Kind, place: number, person: Person, session: Session, replica: Replica): Promise<void> {
    const { token, userId } = session
    const others = person.sessions.filter((other) => other !== session)
    switch (kind) {
      case 'mint':
        return this.#mint(person)
      case 'signIn':
        return this.#signIn(person, replica)
      case 'signOut':
        return this.#end(person, [session], () => post(replica, session, 'sign-out'))
      case 'revokeOne': {
        const [target] = others
        if (target === undefined) return
        return this.#end(person, [target], () => post(replica, session, 'revoke-session', { token: target.token }))
      }
      case 'revokeOthers':
        return this.#end(person, others, () => post(replica, session, 'revoke-other-sessions'))
      case 'revokeAll':
        return this.#end(person, person.sessions, () => post(replica, session, 'revoke-sessions'))
      case 'changePassword':
        return this.#changePassword(place, person, session, replica)
      case 'deleteBySql':
        return this.#endBySql(person, [session], 'delete from session where token = $1', [token])
      case 'deleteAllBySql':
        return this.#endBySql(person, person.sessions, 'delete from session where user_id = $1', [userId])
      case 'deleteUserBySql':
        return this.#endUser(place, person, 'delete from "user" where id = $1')
      case 'banBySql':
        return this.#endUser(place, person, 'update "user" set banned = true where id = $1')
      case 'expireBySql':
        return this.#options.refreshing
          ? this.#mint(person)
          : this.#endBySql(
              person,
              [session],
              `update session set expires_at = now() - interval '1 s' where token = $1`,
              [token]
            )
      case 'extendBySql':
        return this.#sql(`update session set expires_at = now() + interval '7 days' where token = $1`, [token])
      case 'renameBySql':
        return this.#sql(`update "user" set name = $2 where id = $1`, [userId, randomBytes(4).toString('hex')])
    }
  }

  async #newPerson(place: number): Promise<Person> {
    const { world } = this.#options
    const userId = randomBytes(12).toString('hex')
    const person: Person = { userId, email: `${userId}@example.com`, password: world.password, sessions: [] }
    await this.#sql(
      `with made as (insert into "user" (id, name, email) values ($1, 'somebody', $2) on conflict do nothing)
       insert into account (id, account_id, provider_id, user_id, password, updated_at)
       values ($1, $1, 'credential', $1, $3, now()) on conflict do nothing`,
      [userId, person.email, world.passwordHash]
    )
    this.#people[place] = person
    return person
  }

  async #mint(person: Person): Promise<void> {
    const { world, model } = this.#options
    const token = randomBytes(24).toString('base64url')
    await this.#sql(
      `insert into session (id, token, user_id, expires_at, updated_at)
       values ($1, $1, $2, now() + interval '7 days', now()) on conflict do nothing`,
      [token, person.userId]
    )
    model.started(person, token, cookieOf(world.signer, token))
  }

  async #signIn(person: Person, replica: Replica): Promise<void> {
    const browser = new Browser(replica.url, replica.publicUrl)
    const answer = await this.#ask('sign-in', () =>
      browser.post('/api/auth/sign-in/email', { email: person.email, password: person.password })
    )
    if (answer?.status === 200) this.#options.model.started(person, tokenOf(browser.cookieHeader), browser.cookieHeader)
  }

  async #changePassword(place: number, person: Person, session: Session, replica: Replica): Promise<void> {
    const newPassword = randomBytes(12).toString('hex')
    const before = [...person.sessions]
    const browser = browserOf(replica, session)
    this.#options.model.ending(before)
    const answer = await this.#ask('change-password', () =>
      browser.post('/api/auth/change-password', {
        currentPassword: person.password,
        newPassword,
        revokeOtherSessions: true
      })
    )
    // Whether the password is the old one or the new one nobody knows.
    if (answer?.status !== 200) return this.#endUser(place, person, 'delete from "user" where id = $1')
    this.#options.model.ended(person, before)
    const changed: Person = { ...person, password: newPassword }
    this.#people[place] = changed
    this.#options.model.started(changed, tokenOf(browser.cookieHeader), browser.cookieHeader)
  }

  /** Somebody else takes the place. */
  async #endUser(place: number, person: Person, statement: string): Promise<void> {
    await this.#endBySql(person, person.sessions, statement, [person.userId])
    this.#people[place] = undefined
  }

  /** Through a gateway. Where its answer is lost, what became of these is settled by SQL. */
  async #end(person: Person, sessions: readonly Session[], work: () => Promise<Answer>): Promise<void> {
    const { model } = this.#options
    const targets = [...sessions]
    model.ending(targets)
    const answer = await this.#ask('ending', work)
    if (answer?.status === 200) return model.ended(person, targets)
    const tokens = targets.map(({ token }) => token)
    await this.#endBySql(person, targets, 'delete from session where token = any($1)', [tokens])
  }

  async #endBySql(
    person: Person,
    sessions: readonly Session[],
    statement: string,
    params: readonly unknown[]
  ): Promise<void> {
    const { model } = this.#options
    const targets = [...sessions]
    model.ending(targets)
    await this.#sql(statement, params)
    model.ended(person, targets)
  }

  // Every statement may be run again, for a restart may have swallowed the answer.
  async #sql(statement: string, params: readonly unknown[]): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#options.world.sql(statement, params)
      } catch (error) {
        if (tries > 200) throw error
        await new Promise((resume) => setTimeout(resume, 50))
      }
    }
  }

  async #ask(what: string, work: () => Promise<Answer>): Promise<Answer | undefined> {
    const { judge, counts } = this.#options
    const startedAt = Date.now()
    try {
      const answer = await work()
      count(counts, `${what} ${answer.status}`)
      judge.tookNoLongerThan(authLimitMs, startedAt, () => `${what} took ${Date.now() - startedAt} ms`)
      // The acting session is alive: nobody but this lane could have ended it.
      if (![200, 429, 503].includes(answer.status)) judge.find(`${what} answered ${answer.status} ${answer.text}`)
      return answer
    } catch (error) {
      judge.find(`${what} was not answered: ${error}`)
      return undefined
    }
  }
}
