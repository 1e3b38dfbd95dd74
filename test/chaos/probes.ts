import type { Random } from '../fuzz/random.ts'
import type { Judge, Outcome } from './judge.ts'
import type { Model, Session } from './model.ts'
import type { Replica, World } from './world.ts'

const paths = ['/me', '/me', '/me', '/optional/x', '/api/auth/get-session'] as const

/** Asks as this session, and says what came of it as whoever judges it wants to hear it. Never rejects. */
export async function ask(replica: Replica, session: Session, path: string): Promise<Outcome> {
  const sentAt = Date.now()
  const outcome = (verdict: string): Outcome => ({ session, what: path, sentAt, answeredAt: Date.now(), verdict })
  try {
    const { statusCode, body } = await replica.http.request({
      method: 'GET',
      path,
      headers: { host: replica.host, cookie: session.cookie, accept: 'application/json' }
    })
    const text = await body.text()
    if (statusCode === 401) return outcome('refused')
    if (statusCode === 503) return outcome('unavailable')
    if (statusCode !== 200) return outcome(`answered ${statusCode} ${text.slice(0, 200)}`)
    if (text === 'nobody' || text === 'null') return outcome('refused')
    return outcome(text.includes(session.userId) ? 'let through' : `let through as ${text.slice(0, 200)}`)
  } catch (error) {
    return outcome(`no answer: ${error}`)
  }
}

/** One request of any session, alive or not, to any gateway. */
export async function probe(world: World, model: Model, judge: Judge, random: Random): Promise<void> {
  const among = random.chance(0.15) ? model.over : [...model.alive]
  if (among.length === 0) return
  const replica = random.pick(world.replicas)
  judge.judge(await ask(replica, random.pick(among), random.pick(paths)))
}

/**
 * Asks one gateway as a session that has ended until it is refused, or can no longer be let through, and tells when it
 * was let through last.
 */
export async function follow(replica: Replica, session: Session, judge: Judge, limitMs: number): Promise<void> {
  const endedAt = session.endedAt ?? Date.now()
  let lastMs = 0
  for (let pauseMs = 5; Date.now() - endedAt <= limitMs; pauseMs = Math.min(500, pauseMs * 1.4)) {
    const outcome = await ask(replica, session, '/me')
    judge.judge(outcome)
    if (outcome.verdict === 'refused') break
    if (outcome.verdict === 'let through') lastMs = Math.max(0, outcome.sentAt - endedAt)
    await new Promise((resume) => setTimeout(resume, pauseMs))
  }
  judge.lastSeen(session, lastMs)
}

const stallMs = 600

/** Asks for what needs no session and no database, all the time: where that is slow, so is the machine. Never rejects. */
export async function control(world: World, judge: Judge, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const sentAt = Date.now()
    await Promise.all(world.replicas.map((replica) => fetch(`${replica.url}/public/x`).catch(() => {})))
    const tookMs = Date.now() - sentAt
    if (tookMs > stallMs) judge.stalled(tookMs)
    await new Promise((resume) => setTimeout(resume, 100))
  }
}
