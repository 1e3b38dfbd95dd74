import { eq, inArray, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { within } from './drivers/within.ts'
import { session, user } from './schema.ts'

/** A session with its user, as stored. Times in ms since the epoch; whether it has expired is the caller's question. */
export interface SessionRecord {
  token: string
  sessionId: string
  userId: string
  email: string
  emailVerified: boolean
  createdAt: number
  expiresAt: number
}

/**
 * The one hot query. The reader answers null for an unknown token and for a user who is gone, and rejects when the
 * database cannot answer within its `patienceMs`. What it rejects with holds no parameters.
 */
export function createSessionReader(database: Database): (token: string) => Promise<SessionRecord | null> {
  const query = database.db
    .select({
      token: session.token,
      sessionId: session.id,
      userId: user.id,
      email: user.email,
      emailVerified: user.emailVerified,
      createdAt: session.createdAt,
      expiresAt: session.expiresAt
    })
    .from(session)
    .innerJoin(user, eq(user.id, session.userId))
    .where(eq(session.token, sql.placeholder('token')))
    .limit(1)
    .prepare('gatehouse_session')

  return async function readSession(token) {
    const looked = query.execute({ token }).catch(throwWithoutParameters)
    const [row] = await within(database.patienceMs, looked, 'the session was not read in time')
    if (row === undefined) return null
    return { ...row, createdAt: row.createdAt.getTime(), expiresAt: row.expiresAt.getTime() }
  }
}

/**
 * The same for many at once: when each of these sessions expires, in ms since the epoch, by token. Tokens that are
 * unknown, or whose user is gone, are left out. Rejects when the database cannot answer.
 */
export function createExpiryReader(database: Database): (tokens: readonly string[]) => Promise<Map<string, number>> {
  return async function readExpiries(tokens) {
    const rows = await database.db
      .select({ token: session.token, expiresAt: session.expiresAt })
      .from(session)
      .innerJoin(user, eq(user.id, session.userId))
      .where(inArray(session.token, [...tokens]))
      .catch(throwWithoutParameters)
    return new Map(rows.map(({ token, expiresAt }) => [token, expiresAt.getTime()]))
  }
}

// Drizzle's error prints the parameters of the statement, and this one's is a live session token.
function throwWithoutParameters(error: unknown): never {
  throw error instanceof Error && error.cause instanceof Error ? error.cause : error
}
