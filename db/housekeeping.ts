import { type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Database } from './database.ts'

/** The tables whose rows expire. */
export const sweptTables = ['session', 'verification'] as const
export type SweptTable = (typeof sweptTables)[number]

/** What one batch did. Not `mine`: another process was sweeping, and nothing was done here. */
export interface SweptBatch {
  readonly mine: boolean
  readonly removed: number
}

/** How long a row has to be expired before it is removed, in ms: no clock that is wrong by less ends a live session. */
export const marginMs = 86_400_000

// Any number will do, as long as it stays the same: every process that sweeps asks for this lock.
const lockKey = 4_707_283_517

const answer = z.object({ rows: z.tuple([z.object({ mine: z.boolean(), removed: z.number() })]) })

/**
 * Removes up to `limit` rows that expired more than a day ago by this clock and by the database's, in one statement: no
 * transaction stays open, no row that somebody else holds is waited for, and one process at a time does it. Rejects when
 * the database cannot answer.
 */
export async function sweepBatch(
  { db }: Pick<Database, 'db'>,
  table: SweptTable,
  { limit, now }: { limit: number; now: number }
): Promise<SweptBatch> {
  return answer.parse(await db.execute(batch(table, limit, new Date(now - marginMs)))).rows[0]
}

// The rows are found by their places: a plan that reads the whole table cannot come of it, whatever the statistics say.
function batch(table: SweptTable, limit: number, before: Date): SQL {
  const name = sql.identifier(table)
  const margin = sql.raw(String(marginMs))
  return sql`
    with turn as materialized (select pg_try_advisory_xact_lock(${sql.raw(String(lockKey))}) as mine),
    expired as materialized (
      select ctid as place from ${name}
      where (select mine from turn)
        and expires_at < least(${before.toISOString()}::timestamptz, now() - ${margin} * interval '1 millisecond')
      order by expires_at limit ${sql.raw(String(limit))} for update skip locked
    ),
    removed as (delete from ${name} where ctid = any (array(select place from expired)) returning 1)
    select mine, (select count(*)::int from removed) as removed from turn`
}
