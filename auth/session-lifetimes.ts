import type { AuthContext, BetterAuthOptions } from 'better-auth'
import { ageless, endOfRow, type SessionAges } from '../db/session-end-time.ts'
import { isRecord } from '../db/type-guards.ts'
import type { AuthExtension } from './policy-auth-options.ts'

/** `session` of the policy file: how long sessions last, in seconds, and how many a user may have. */
export interface SessionLifetimes {
  /** A session ends so long after its last refresh. Default: seven days. */
  readonly expiresIn?: number
  /** A refresh is due so long after the last. Default: a day. */
  readonly updateAge?: number
  /** A session ends when it was not used for so long. */
  readonly idle?: number
  /** A session ends so long after it began, however often it is used. */
  readonly absolute?: number
  /** A user has so many sessions at most; the one that began first ends when another begins. */
  readonly perUser?: number
}

const sevenDays = 604_800
// 400 days: browsers keep no cookie for longer.
const longest = 34_560_000
const shortestAge = 60
const bounds: ReadonlyMap<string, readonly [least: number, most: number]> = new Map([
  ['expiresIn', [shortestAge, longest]],
  ['updateAge', [0, longest]],
  ['idle', [shortestAge, longest]],
  ['absolute', [shortestAge, longest]],
  ['perUser', [1, 10_000]]
])

/** What is wrong with `session` of the policy file, one sentence each; nothing when it is {@link SessionLifetimes}. */
export function lifetimeProblems(session: unknown): string[] {
  if (!isRecord(session)) return ['session: must be an object']
  const problems = Object.entries(session).flatMap(([key, value]) => {
    const range = bounds.get(key)
    if (range === undefined) return [`session.${key}: is not known in this version`]
    const [least, most] = range
    if (value === undefined || (Number.isInteger(value) && Number(value) >= least && Number(value) <= most)) return []
    return [`session.${key}: must be a whole number${key === 'perUser' ? '' : ' of seconds'} from ${least} to ${most}`]
  })
  if (problems.length > 0) return problems
  // Comparisons with one that is not given are false.
  return Number(session['idle']) > Number(session['absolute'])
    ? ['session.idle: is longer than session.absolute, and would never be reached']
    : []
}

/** The same for what `session` and `auth.session` say together. */
export function lifetimesSaidTwice(lifetimes: SessionLifetimes, { session }: Pick<AuthExtension, 'session'>): string[] {
  const twice = (['expiresIn', 'updateAge'] as const).filter(
    (key) => lifetimes[key] !== undefined && session?.[key] !== undefined
  )
  const problems = twice.map((key) => `session.${key}: is also given as auth.session.${key}; keep one`)
  const expiresIn = lifetimes.expiresIn ?? session?.expiresIn ?? sevenDays
  if (lifetimes.idle !== undefined && lifetimes.idle > expiresIn)
    problems.push(
      'session.idle: is longer than a session lives without a refresh (expiresIn), and would never be reached'
    )
  return problems
}

/** The ends that these lifetimes give every session. */
export function agesOf({ idle, absolute }: SessionLifetimes): SessionAges {
  return {
    idleMs: idle === undefined ? ageless.idleMs : idle * 1_000,
    absoluteMs: absolute === undefined ? ageless.absoluteMs : absolute * 1_000
  }
}

/**
 * How old the note of a session's last use may become before another use is noted, in ms. A session therefore ends when
 * it was not used for at least nine tenths of the idle time, and never later than after all of it.
 */
export function noteUseAfter({ idleMs }: SessionAges): number {
  return idleMs / 10
}

/** BetterAuth's `session` under these lifetimes: no cookie and no row is made to outlast the absolute end. */
export function sessionOptions(
  { expiresIn, updateAge, absolute }: SessionLifetimes,
  session: AuthExtension['session']
): NonNullable<BetterAuthOptions['session']> {
  const lasts = expiresIn ?? session?.expiresIn ?? sevenDays
  return {
    ...session,
    ...(updateAge !== undefined && { updateAge }),
    ...((expiresIn !== undefined || absolute !== undefined) && { expiresIn: Math.min(lasts, absolute ?? lasts) })
  }
}

/** Notes that a session was used now. A session that has ended meanwhile stays ended. Rejects when the store cannot. */
export async function noteUse({ internalAdapter }: AuthContext, token: string): Promise<void> {
  await internalAdapter.updateSession(token, { updatedAt: new Date() })
}

/**
 * Has BetterAuth find no session that was not used for too long or began too long ago, and note the use of one that it
 * finds. By itself it knows nothing but when a session expires.
 */
export function endByAge(context: AuthContext, ages: SessionAges): void {
  const { internalAdapter } = context
  const { findSession, findSessions, listSessions } = internalAdapter
  // An expired one is left to BetterAuth, which deletes it.
  const endedByAge = (session: Parameters<typeof endOfRow>[0]) =>
    session.expiresAt.getTime() > Date.now() && endOfRow(session, ages) <= Date.now()
  internalAdapter.findSession = async (token) => {
    const found = await findSession(token)
    if (found === null || endedByAge(found.session)) return null
    const { updatedAt, expiresAt } = found.session
    const isDue = updatedAt.getTime() + noteUseAfter(ages) <= Date.now() && expiresAt.getTime() > Date.now()
    if (isDue) await noteUse(context, token)
    return found
  }
  internalAdapter.findSessions = async (...given) =>
    (await findSessions(...given)).filter(({ session }) => !endedByAge(session))
  internalAdapter.listSessions = async (...given) =>
    (await listSessions(...given)).filter((session) => !endedByAge(session))
}
