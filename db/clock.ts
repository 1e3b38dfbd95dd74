import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { rowsOf } from './catalog.ts'
import type { Database } from './database.ts'

const reading = z.tuple([z.object({ now: z.coerce.number() })])

/** What time it is by the database's clock, in ms since the epoch. Rejects when it cannot answer. */
export async function readClock({ db }: Pick<Database, 'db'>): Promise<number> {
  const [{ now }] = reading.parse(
    await rowsOf(db, sql`select (extract(epoch from clock_timestamp()) * 1000)::text as now`)
  )
  return now
}
