import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Database } from './database.ts'

const answer = z.object({ rows: z.tuple([z.object({ now: z.coerce.number() })]) })

/** What time it is by the database's clock, in ms since the epoch. Rejects when it cannot answer. */
export async function readClock({ db }: Pick<Database, 'db'>): Promise<number> {
  const statement = sql`select (extract(epoch from clock_timestamp()) * 1000)::text as now`
  return answer.parse(await db.execute(statement)).rows[0].now
}
