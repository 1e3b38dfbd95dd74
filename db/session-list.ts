import { and, count, desc, eq, gt, inArray, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { session } from './schema.ts'
import { throwWithoutParameters } from './sessions.ts'

/** A session as its user is told of it. */
export interface ListedSession {
  readonly id: string
  readonly token: string
  readonly ipAddress: string | null
  readonly userAgent: string | null
  readonly createdAt: Date
  /** When it was last prolonged. */
  readonly updatedAt: Date
  readonly expiresAt: Date
}

/** A part of a user's sessions. */
export interface SessionPage {
  readonly sessions: readonly ListedSession[]
  /** How many there are in all. */
  readonly total: number
  /** From 1. */
  readonly page: number
  readonly pages: number
}

/** A user's sessions that have not expired. Everything rejects when the database cannot answer. */
export interface SessionList {
  /**
   * The `page`-th so many of them, or the last page where there are not so many: `current`, the id of the session that
   * asks, first of all, then those that were last prolonged.
   */
  page(userId: string, wanted: { page: number; size: number; current: string }): Promise<SessionPage>
  /** Those of these ids that are the user's. */
  some(userId: string, ids: readonly string[]): Promise<readonly ListedSession[]>
}

const { id, token, ipAddress, userAgent, createdAt, updatedAt, expiresAt } = session
const listed = { id, token, ipAddress, userAgent, createdAt, updatedAt, expiresAt }

export function createSessionList({ db }: Pick<Database, 'db'>, now: () => number = Date.now): SessionList {
  const livingOf = (userId: string) => and(eq(session.userId, userId), gt(session.expiresAt, new Date(now())))
  return {
    async page(userId, { page: wanted, size, current }) {
      const living = livingOf(userId)
      const [counted] = await db.select({ total: count() }).from(session).where(living).catch(throwWithoutParameters)
      const total = counted?.total ?? 0
      const pages = Math.max(1, Math.ceil(total / size))
      const page = Math.min(wanted, pages)
      const sessions = await db
        .select(listed)
        .from(session)
        .where(living)
        // The ids decide between those of one moment: without them a session may be on two pages, or on none.
        .orderBy(desc(sql`${session.id} = ${current}`), desc(session.updatedAt), session.id)
        .limit(size)
        .offset((page - 1) * size)
        .catch(throwWithoutParameters)
      return { sessions, total, page, pages }
    },
    async some(userId, ids) {
      return await db
        .select(listed)
        .from(session)
        .where(and(livingOf(userId), inArray(session.id, [...ids])))
        .catch(throwWithoutParameters)
    }
  }
}
