import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Database } from './database.ts'

/** The tables whose rows expire. */
export const sweptTables = ['session', 'verification'] as const
export type SweptTable = (typeof sweptTables)[number]

const answer = z.object({
  rows: z.tuple([
    z.object({
      /** False: another process was removing rows, so this one removed none. */
      mine: z.boolean(),
      removed: z.number()
    })
  ])
})
export type SweptBatch = z.infer<typeof answer>['rows'][0]

/** How long a row has to be expired before it is removed, in ms: no clock that is wrong by less ends a live session. */
export const marginMs = 86_400_000

// Any number will do, as long as it stays the same: every process that removes rows asks for this advisory lock.
const lockKey = sql.raw('4707283517')

/**
 * Removes up to `limit` rows that expired more than a day ago by this clock and by the database's, in one statement: no
 * transaction stays open, rows that somebody else has locked are skipped, and one process at a time removes any. Rejects
 * when the database cannot answer.
 */
export async function sweepBatch(
  { db }: Pick<Database, 'db'>,
  table: SweptTable,
  { limit, now }: { limit: number; now: number }
): Promise<SweptBatch> {
  const name = sql.identifier(table)
  const before = new Date(now - marginMs).toISOString()
  // Deleting by ctid keeps the planner from reading the whole table, whatever its statistics say.
  const statement = sql`
    with turn as materialized (select pg_try_advisory_xact_lock(${lockKey}) as mine),
    expired as materialized (
      select ctid as place from ${name}
      where (select mine from turn)
        and expires_at < least(${before}::timestamptz, now() - ${sql.raw(String(marginMs))} * interval '1 millisecond')
      order by expires_at limit ${sql.raw(String(limit))} for update skip locked
    ),
    removed as (delete from ${name} where ctid = any (array(select place from expired)) returning 1)
    select mine, (select count(*)::int from removed) as removed from turn`
  return answer.parse(await db.execute(statement)).rows[0]
}
