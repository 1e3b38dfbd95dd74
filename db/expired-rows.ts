import { setTimeout as wait } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Database } from './database.ts'
import { defaultSchemaName } from './schema.ts'

const tables = ['session', 'verification'] as const
type Table = (typeof tables)[number]

const answer = z.object({ rows: z.tuple([z.object({ mine: z.boolean(), removed: z.number() })]) })

/** How long a row has to be expired before it is removed, in ms: no clock that is wrong by less ends a live session. */
export const marginMs = 86_400_000

/** What is needed of a database here. */
export type WithExpiredRows = Pick<Database, 'db' | 'schema' | 'schemaName'>

// Any number will do, as long as it stays the same: every process that removes rows of this schema asks for this lock.
const lockNumber = sql.raw('4707283517')
// Removing so many rows takes a few milliseconds. The pause lets other statements through.
const batchSize = 250
const pauseMs = 100

/**
 * Removes all rows that expired more than a day ago, batch by batch with a pause after each, until nothing is left,
 * another process is found to remove them, or the signal is aborted. Resolves to how many rows of each table. Rejects when
 * the database cannot answer.
 */
export async function removeExpired(database: WithExpiredRows, signal: AbortSignal): Promise<Record<Table, number>> {
  const total = { session: 0, verification: 0 }
  for (const table of tables) {
    while (!signal.aborted) {
      const { mine, removed } = await removeBatch(database, table, { limit: batchSize, now: Date.now() })
      total[table] += removed
      if (!mine) return total
      if (removed < batchSize) break
      await wait(pauseMs, undefined, { signal }).catch(() => {})
    }
  }
  return total
}

/**
 * Removes up to `limit` rows that expired more than a day ago by this clock and by the database's, in one statement: no
 * transaction stays open, and rows that somebody else has locked are skipped. Not `mine`: another process was removing
 * rows, so this one removed none. Rejects when the database cannot answer.
 */
export async function removeBatch(
  { db, schema, schemaName }: WithExpiredRows,
  table: Table,
  { limit, now }: { limit: number; now: number }
): Promise<{ mine: boolean; removed: number }> {
  const lockKey =
    schemaName === defaultSchemaName ? lockNumber : sql`hashtextextended(${schemaName}::text, ${lockNumber})`
  const before = new Date(now - marginMs).toISOString()
  // Deleting by ctid keeps the planner from reading the whole table, whatever its statistics say.
  const statement = sql`
    with lock as materialized (select pg_try_advisory_xact_lock(${lockKey}) as mine),
    expired as materialized (
      select ctid as place from ${schema[table]}
      where (select mine from lock)
        and expires_at < least(${before}::timestamptz, now() - ${sql.raw(String(marginMs))} * interval '1 millisecond')
      order by expires_at limit ${sql.raw(String(limit))} for update skip locked
    ),
    removed as (delete from ${schema[table]} where ctid = any (array(select place from expired)) returning 1)
    select mine, (select count(*)::int from removed) as removed from lock`
  return answer.parse(await db.execute(statement)).rows[0]
}
