import { createHash } from 'node:crypto'
import { eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { session, user } from './schema.ts'
import { sqlState } from './store-failure-context.ts'
import { withTimeout } from './timeout.ts'
import { readTimestamp } from './timestamp.ts'

/** A session with its user, as stored. Times in ms since the epoch; whether it has expired is the caller's question. */
export interface SessionRecord {
  token: string
  sessionId: string
  userId: string
  email: string
  emailVerified: boolean
  name: string
  createdAt: number
  expiresAt: number
  /** The user's role, or several with commas between them; null without BetterAuth's admin plugin. */
  role: string | null
  /** The id of the administrator who acts as this user. */
  impersonatedBy: string | null
  /** Until when the user is banned; Infinity for good, null when not at all. It may have passed. */
  bannedUntil: number | null
}

/** How the columns of BetterAuth's admin plugin are called in the database, and the role of users that have none. */
export interface AdminColumns {
  readonly role: string
  readonly banned: string
  readonly banExpires: string
  readonly impersonatedBy: string
  readonly defaultRole: string
}

// A statement of this name is there already, or is not: a pooler that lends connections by the transaction gives one on
// which somebody else prepared statements, or nobody did. Or the tables have changed since it was prepared.
const misnamed = new Set(['42P05', '26000', '0A000'])

/**
 * The one hot query, with the admin plugin's columns where it is switched on. The reader answers null for an unknown
 * token and for a user who is gone, and rejects when the database cannot answer within its `patienceMs`. What it rejects
 * with holds no parameters.
 */
export function createSessionReader(
  database: Database,
  admin?: AdminColumns
): (token: string) => Promise<SessionRecord | null> {
  const select = database.db
    .select({
      token: session.token,
      sessionId: session.id,
      userId: user.id,
      email: user.email,
      emailVerified: user.emailVerified,
      name: user.name,
      createdAt: session.createdAt,
      expiresAt: session.expiresAt,
      ...(admin === undefined ? {} : { ...roleOf(admin), ...banOf(admin) })
    })
    .from(session)
    .innerJoin(user, eq(user.id, session.userId))
    .where(eq(session.token, sql.placeholder('token')))
    .limit(1)
  const unnamed = select.prepare('')
  // By its text: behind such a pooler another version of this gateway may have left a statement that says something else.
  const name = `gatehouse_session_${createHash('sha256').update(select.toSQL().sql).digest('hex').slice(0, 12)}`
  let query = select.prepare(name)

  async function look(token: string) {
    const asked = query
    try {
      return await asked.execute({ token })
    } catch (error) {
      if (asked === unnamed || !misnamed.has(sqlState(error) ?? '')) throw error
      query = unnamed
      return await unnamed.execute({ token })
    }
  }

  return async function readSession(token) {
    const looked = look(token).catch(throwWithoutParameters)
    const [row] = await withTimeout(database.patienceMs, looked, 'the session was not read in time')
    if (row === undefined) return null
    const { banned, banExpires, ...found } = row
    return {
      ...found,
      createdAt: found.createdAt.getTime(),
      expiresAt: found.expiresAt.getTime(),
      role: admin === undefined ? null : found.role || admin.defaultRole,
      impersonatedBy: found.impersonatedBy ?? null,
      bannedUntil: endOfBan(banned, banExpires)
    }
  }
}

/** Whether somebody banned until then is banned at `now`, both in ms since the epoch; by BetterAuth's rule. */
export function isBanned(bannedUntil: number | null, now: number): boolean {
  return bannedUntil !== null && bannedUntil >= now
}

/** Until when a user is banned whose row says this, in ms since the epoch; null when not at all. */
export function endOfBan(banned: boolean | null | undefined, expires: Date | null | undefined): number | null {
  if (banned !== true) return null
  const end = expires?.getTime() ?? Number.POSITIVE_INFINITY
  return Number.isNaN(end) ? Number.POSITIVE_INFINITY : end
}

function roleOf({ role, impersonatedBy }: AdminColumns) {
  return { role: column<string>(user, role), impersonatedBy: column<string>(session, impersonatedBy) }
}

function banOf({ banned, banExpires }: AdminColumns) {
  return { banned: column<boolean>(user, banned), banExpires: column<Date>(user, banExpires).mapWith(readTimestamp) }
}

function column<T>(table: typeof user | typeof session, name: string): SQL<T | null> {
  return sql<T | null>`${table}.${sql.identifier(name)}`
}

/**
 * The same for many at once: when each of these sessions expires, in ms since the epoch, by token. Tokens that are
 * unknown, or whose user is gone or banned, are left out. Rejects when the database cannot answer.
 */
export function createExpiryReader(
  database: Database,
  admin?: AdminColumns,
  now: () => number = Date.now
): (tokens: readonly string[]) => Promise<Map<string, number>> {
  return async function readExpiries(tokens) {
    const rows = await database.db
      .select({
        token: session.token,
        expiresAt: session.expiresAt,
        ...(admin === undefined ? {} : banOf(admin))
      })
      .from(session)
      .innerJoin(user, eq(user.id, session.userId))
      .where(inArray(session.token, [...tokens]))
      .catch(throwWithoutParameters)
    const admitted = rows.filter(({ banned, banExpires }) => !isBanned(endOfBan(banned, banExpires), now()))
    return new Map(admitted.map(({ token, expiresAt }) => [token, expiresAt.getTime()]))
  }
}

/**
 * Those of these users, by id, that exist and are not banned: one query. Rejects when the database cannot answer.
 */
export function createUserReader(
  database: Database,
  admin?: AdminColumns,
  now: () => number = Date.now
): (userIds: readonly string[]) => Promise<Set<string>> {
  return async function readUsers(userIds) {
    const rows = await database.db
      .select({ id: user.id, ...(admin === undefined ? {} : banOf(admin)) })
      .from(user)
      .where(inArray(user.id, [...userIds]))
      .catch(throwWithoutParameters)
    const admitted = rows.filter(({ banned, banExpires }) => !isBanned(endOfBan(banned, banExpires), now()))
    return new Set(admitted.map(({ id }) => id))
  }
}

/** Drizzle's error prints the parameters of the statement, live session tokens among them: throws what caused it instead. */
export function throwWithoutParameters(error: unknown): never {
  throw error instanceof Error && error.cause instanceof Error ? error.cause : error
}
