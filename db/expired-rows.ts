import { setTimeout as wait } from 'node:timers/promises'
import { or, type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Database } from './database.ts'
import { defaultSchemaName } from './schema.ts'
import { ageless, type SessionAges } from './session-end-time.ts'

const tables = ['session', 'verification'] as const
type Table = (typeof tables)[number]

const answer = z.object({ rows: z.tuple([z.object({ mine: z.boolean(), removed: z.number() })]) })

/** How long a row has to be expired before it is removed, in ms: no clock that is wrong by less ends a live session. */
export const marginMs = 86_400_000

/** What is needed of a database here. */
export type WithExpiredRows = Pick<Database, 'db' | 'schema' | 'schemaName'>

// Any number will do, as long as it stays the same: every process that removes rows of this schema asks for this lock.
const lockNumber = sql.raw('4707283517')
const lockKeyOf = (schemaName: string) =>
  schemaName === defaultSchemaName ? lockNumber : sql`hashtextextended(${schemaName}::text, ${lockNumber})`
// Removing so many rows takes a few milliseconds. The pause lets other statements through.
const batchSize = 250
const pauseMs = 100

/**
 * Removes all rows that expired, and sessions that ended by their age, more than a day ago, batch by batch with a pause
 * after each, until nothing is left, another process is found to remove them, or the signal is aborted. Resolves to how
 * many rows of each table. Rejects when the database cannot answer.
 */
export async function removeExpired(
  database: WithExpiredRows,
  signal: AbortSignal,
  ages: SessionAges = ageless
): Promise<Record<Table, number>> {
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
  for (let block: number | null = 0; block !== null && !signal.aborted; ) {
    const { mine, removed, next } = await removeAged(database, { ages, block, limit: batchSize, now: Date.now() })
    total.session += removed
    if (!mine) return total
    block = next
    if (block !== null) await wait(pauseMs, undefined, { signal }).catch(() => {})
  }
  return total
}

// No index leads to sessions that ended by their age, so the table is read once, so many blocks of it at a time: 8 MB.
const blocksRead = 1_000

const agedAnswer = z.object({
  rows: z.tuple([z.object({ mine: z.boolean(), removed: z.number(), blocks: z.number() })])
})

/**
 * Removes the sessions that ended by their age more than a day ago by this clock and by the database's, of those in the
 * table's blocks from `block` on, as `removeBatch` does. `next` is where to go on, null after the last block. Rejects when the database cannot answer.
 */
export async function removeAged(
  { db, schema: { session }, schemaName }: WithExpiredRows,
  { ages, block, limit, now }: { ages: SessionAges; block: number; limit: number; now: number }
): Promise<{ mine: boolean; removed: number; next: number | null }> {
  const { createdAt, updatedAt } = session
  const over = [...endedBy(updatedAt, ages.idleMs, now), ...endedBy(createdAt, ages.absoluteMs, now)]
  if (over.length === 0) return { mine: true, removed: 0, next: null }
  const tid = (first: number) => sql.raw(`'(${first},0)'::tid`)
  const end = block + blocksRead
  const statement = sql`
    with lock as materialized (select pg_try_advisory_xact_lock(${lockKeyOf(schemaName)}) as mine),
    ended as materialized (
      select ctid as place from ${session}
      where (select mine from lock) and ctid >= ${tid(block)} and ctid < ${tid(end)} and (${or(...over)})
      limit ${sql.raw(String(limit))} for update skip locked
    ),
    removed as (delete from ${session} where ctid = any (array(select place from ended)) returning 1)
    select mine, (select count(*)::int from removed) as removed, coalesce((
      select pg_relation_size(tableoid) / current_setting('block_size')::int from ${session} limit 1
    ), 0)::int as blocks from lock`
  const { blocks, ...answer } = agedAnswer.parse(await db.execute(statement)).rows[0]
  if (answer.removed === limit) return { ...answer, next: block }
  return { ...answer, next: end < blocks ? end : null }
}

function endedBy(column: SQLWrapper, ageMs: number, now: number): SQL[] {
  if (!Number.isFinite(ageMs)) return []
  const before = new Date(now - marginMs - ageMs).toISOString()
  return [
    sql`${column} < least(${before}::timestamptz, now() - ${sql.raw(String(marginMs + ageMs))} * interval '1 millisecond')`
  ]
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
  const before = new Date(now - marginMs).toISOString()
  // Deleting by ctid keeps the planner from reading the whole table, whatever its statistics say.
  const statement = sql`
    with lock as materialized (select pg_try_advisory_xact_lock(${lockKeyOf(schemaName)}) as mine),
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
