import { createHash } from 'node:crypto'
import { and, count, desc, eq, gt, inArray, isNull, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { columnOf } from './extended-schema.ts'
import { sqlState } from './failure-kind.ts'
import { readTimestamp, type Tables } from './schema.ts'
import { ageless, endOfRow, type SessionAges } from './session-end.ts'
import { withTimeout } from './timeout.ts'

/** A session with its user, as stored. Times in ms since the epoch. It may have ended. */
export interface SessionRecord {
  token: string
  sessionId: string
  userId: string
  email: string
  emailVerified: boolean
  name: string
  createdAt: number
  /** When it was last prolonged, or its use last noted. */
  updatedAt: number
  expiresAt: number
  /** The user's role, or several with commas between them; null without BetterAuth's admin plugin. */
  role: string | null
  /** The id of the administrator who acts as this user; null usually. */
  impersonatedBy: string | null
  /** Until when the user is banned; Infinity for good, null when not at all. It may have passed. */
  bannedUntil: number | null
  /** The values of the fields that were asked for, by their headers' names; without those that are null or too long. */
  told: Readonly<Record<string, string>>
}

/** A field of users or sessions that FastAPI is told, by its key in the schema, and the header that tells it. */
export interface ToldField {
  readonly table: 'user' | 'session'
  readonly key: string
  readonly header: string
}

// In UTF-16 code units. Longer ones would fill the memory of the cache and the upstream's limit on headers.
const longestTold = 1_024

/** The names that the columns of BetterAuth's admin plugin have in the database, and the role of users without one. */
export interface AdminColumns {
  readonly role: string
  readonly banned: string
  readonly banExpires: string
  readonly impersonatedBy: string
  readonly defaultRole: string
}

type Readable = Pick<Database, 'db' | 'schema'>

// SQLSTATE duplicate_prepared_statement and invalid_sql_statement_name: a pooler that lends its connections by the
// transaction let another client prepare the statement on this connection, or this client prepare it on another one.
// SQLSTATE feature_not_supported: the tables have changed since the statement was prepared.
const unusable = new Set(['42P05', '26000', '0A000'])

/**
 * Prepares the query for sessions that are not cached, with the admin plugin's columns where it is switched on, and with
 * these fields. The reader
 * resolves to null for an unknown token and for a user who is gone, and rejects when the database cannot answer within its
 * `patienceMs`; the error holds no parameters.
 */
export function createSessionReader(
  database: Database,
  admin?: AdminColumns,
  fields: readonly ToldField[] = []
): (token: string) => Promise<SessionRecord | null> {
  const { user, session } = database.schema
  const told = Object.fromEntries(
    fields.map(({ table, key, header }) => [header, columnOf(database.schema[table], key)])
  )
  const select = database.db
    .select({
      token: session.token,
      sessionId: session.id,
      userId: user.id,
      email: user.email,
      emailVerified: user.emailVerified,
      name: user.name,
      createdAt: session.createdAt,
      updatedAt: session.updatedAt,
      expiresAt: session.expiresAt,
      ...roleOf(database.schema, admin),
      ...banOf(user, admin),
      ...(fields.length > 0 && { told })
    })
    .from(session)
    .innerJoin(user, eq(user.id, session.userId))
    .where(eq(session.token, sql.placeholder('token')))
    .limit(1)
  const unnamed = select.prepare('')
  // The name depends on the text: behind a pooler, a connection may still have the statement of another version.
  const hash = createHash('sha256').update(select.toSQL().sql).digest('hex')
  let query = select.prepare(`gatehouse_session_${hash.slice(0, 12)}`)

  async function execute(token: string) {
    const asked = query
    try {
      return await asked.execute({ token })
    } catch (error) {
      if (asked === unnamed || !unusable.has(sqlState(error) ?? '')) throw error
      query = unnamed
      return await unnamed.execute({ token })
    }
  }

  return async function readSession(token) {
    const answer = execute(token).catch(throwWithoutParameters)
    const [row] = await withTimeout(database.patienceMs, answer, 'the session was not read in time')
    if (row === undefined) return null
    const { banned, banExpires, ...found } = row
    return {
      ...found,
      createdAt: found.createdAt.getTime(),
      updatedAt: found.updatedAt.getTime(),
      expiresAt: found.expiresAt.getTime(),
      role: admin === undefined ? null : found.role || admin.defaultRole,
      impersonatedBy: found.impersonatedBy ?? null,
      bannedUntil: endOfBan(banned, banExpires),
      told: textsOf(found.told ?? {})
    }
  }
}

function textsOf(values: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const entries = Object.entries(values).flatMap(([header, value]) => {
    const text = textOf(value)
    return text === null || text.length > longestTold ? [] : [[header, text] as const]
  })
  return Object.freeze(Object.fromEntries(entries))
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  // What is no point in time, as `infinity`, cannot be written as one.
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  return JSON.stringify(value)
}

/**
 * Reads when each of these sessions ends, in ms since the epoch, by token, with one query. Tokens that are unknown, or
 * whose user is gone or banned, are left out. Rejects when the database cannot answer.
 */
export function createExpiryReader(
  { db, schema: { user, session } }: Readable,
  admin?: AdminColumns,
  ages: SessionAges = ageless
) {
  const { token, createdAt, updatedAt, expiresAt } = session
  return async function readExpiries(tokens: readonly string[]): Promise<Map<string, number>> {
    const rows = await db
      .select({ token, createdAt, updatedAt, expiresAt, ...banOf(user, admin) })
      .from(session)
      .innerJoin(user, eq(user.id, session.userId))
      .where(inArray(session.token, [...tokens]))
      .catch(throwWithoutParameters)
    return new Map(rows.filter(isAdmitted).map((row) => [row.token, endOfRow(row, ages)]))
  }
}

/** Reads which of these users, by id, exist and are not banned, with one query. Rejects when the database cannot answer. */
export function createUserReader({ db, schema: { user } }: Readable, admin?: AdminColumns) {
  return async function readUsers(userIds: readonly string[]): Promise<Set<string>> {
    const rows = await db
      .select({ id: user.id, ...banOf(user, admin) })
      .from(user)
      .where(inArray(user.id, [...userIds]))
      .catch(throwWithoutParameters)
    return new Set(rows.filter(isAdmitted).map(({ id }) => id))
  }
}

/** Whether a ban until then still holds at `now`, by BetterAuth's rule. Both in ms since the epoch. */
export function isBanned(bannedUntil: number | null, now: number): boolean {
  return bannedUntil !== null && bannedUntil >= now
}

/** The condition that a session has not ended at `now`, in ms since the epoch. */
function livingAt(session: Tables['session'], now: number, { idleMs, absoluteMs }: SessionAges): SQL | undefined {
  return and(
    gt(session.expiresAt, new Date(now)),
    Number.isFinite(idleMs) ? gt(session.updatedAt, new Date(now - idleMs)) : undefined,
    Number.isFinite(absoluteMs) ? gt(session.createdAt, new Date(now - absoluteMs)) : undefined
  )
}

// How many sessions of a user are ended with one statement.
const surplusRead = 500

/**
 * Reads the tokens of a user's living sessions without the `most` that began last, and without those of administrators
 * who act as the user; 500 at most. Rejects when the database cannot answer.
 */
export function createSurplusReader(
  { db, schema: { session } }: Readable,
  { most, ages }: { readonly most: number; readonly ages: SessionAges },
  admin?: AdminColumns
) {
  return async function readSurplus(userId: string): Promise<string[]> {
    const own = admin === undefined ? undefined : isNull(column<string>(session, admin.impersonatedBy))
    const rows = await db
      .select({ token: session.token })
      .from(session)
      .where(and(eq(session.userId, userId), livingAt(session, Date.now(), ages), own))
      .orderBy(desc(session.createdAt), desc(session.id))
      .limit(surplusRead)
      .offset(most)
      .catch(throwWithoutParameters)
    return rows.map(({ token }) => token)
  }
}

/** Until when a user with these columns is banned, in ms since the epoch: Infinity for good, null when not at all. */
export function endOfBan(banned: boolean | null | undefined, expires: Date | null | undefined): number | null {
  if (banned !== true) return null
  const end = expires?.getTime() ?? Number.POSITIVE_INFINITY
  return Number.isNaN(end) ? Number.POSITIVE_INFINITY : end
}

function roleOf({ user, session }: Tables, admin: AdminColumns | undefined) {
  if (admin === undefined) return {}
  return { role: column<string>(user, admin.role), impersonatedBy: column<string>(session, admin.impersonatedBy) }
}

function banOf(user: Tables['user'], admin: AdminColumns | undefined) {
  if (admin === undefined) return {}
  const banExpires = column<Date>(user, admin.banExpires).mapWith(readTimestamp)
  return { banned: column<boolean>(user, admin.banned), banExpires }
}

function isAdmitted({ banned, banExpires }: { banned?: boolean | null; banExpires?: Date | null }): boolean {
  return !isBanned(endOfBan(banned, banExpires), Date.now())
}

function column<T>(table: Tables['user' | 'session'], name: string): SQL<T | null> {
  return sql<T | null>`${table}.${sql.identifier(name)}`
}

/** A session as the account page shows it to its user. `updatedAt` is when it was last prolonged. */
export type ListedSession = Readonly<
  Pick<
    Tables['session']['$inferSelect'],
    'id' | 'token' | 'ipAddress' | 'userAgent' | 'createdAt' | 'updatedAt' | 'expiresAt'
  >
>

/** Reads a user's sessions that have not ended. Rejects when the database cannot answer. */
export type SessionList = ReturnType<typeof createSessionList>

/** A page of a user's sessions. `total` is how many sessions there are on all `pages`; `page` counts from 1. */
export type SessionPage = Awaited<ReturnType<SessionList['page']>>

export function createSessionList({ db, schema: { session } }: Readable, ages: SessionAges = ageless) {
  const { id, token, ipAddress, userAgent, createdAt, updatedAt, expiresAt } = session
  const listed = { id, token, ipAddress, userAgent, createdAt, updatedAt, expiresAt }
  const livingOf = (userId: string) => and(eq(session.userId, userId), livingAt(session, Date.now(), ages))
  return {
    /**
     * The page of this number, or the last one where there are fewer. The session with the id `current` comes first, then
     * the others, last prolonged first.
     */
    async page(userId: string, wanted: { page: number; size: number; current: string }) {
      const living = livingOf(userId)
      const [counted] = await db.select({ total: count() }).from(session).where(living).catch(throwWithoutParameters)
      const total = counted?.total ?? 0
      const pages = Math.max(1, Math.ceil(total / wanted.size))
      const page = Math.min(wanted.page, pages)
      const sessions = await db
        .select(listed)
        .from(session)
        .where(living)
        // Sessions prolonged at the same moment are ordered by id; otherwise one could be on two pages, or on none.
        .orderBy(desc(sql`${session.id} = ${wanted.current}`), desc(session.updatedAt), session.id)
        .limit(wanted.size)
        .offset((page - 1) * wanted.size)
        .catch(throwWithoutParameters)
      return { sessions, total, page, pages }
    },
    /** Those of these ids that are the user's. They come from a form, and so may be no ids at all. */
    async some(userId: string, ids: readonly string[]): Promise<ListedSession[]> {
      return await db
        .select(listed)
        .from(session)
        .where(and(livingOf(userId), inArray(sql`${session.id}::text`, [...ids])))
        .catch(throwWithoutParameters)
    }
  }
}

// The message of Drizzle's error holds the statement's parameters, live session tokens among them. Its cause does not.
function throwWithoutParameters(error: unknown): never {
  throw error instanceof Error && error.cause instanceof Error ? error.cause : error
}
