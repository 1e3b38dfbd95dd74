import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { DirectClient } from '../../db/database.ts'

/** The migrations as they were applied before they had a table of their own, in their order, with when each was made. */
const former: readonly (readonly [tag: string, when: number])[] = [
  ['0000_betterauth_tables', 1795255221755],
  ['0001_session_events', 1795258172158],
  ['0002_expiry_indexes', 1795267179673],
  ['0003_queue_nearly_full', 1795268020464]
]

/** Makes in `public` what the gateway made before: its tables, recorded in the table of Drizzle's tools, a user and a session. */
export async function makeFormerDatabase(client: DirectClient, migrations = former.length): Promise<void> {
  await client.query(`create schema if not exists drizzle;
    create table if not exists drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`)
  for (const [tag, when] of former.slice(0, migrations)) {
    const text = await readFile(new URL(`../db/former/${tag}.sql`, import.meta.url), 'utf8')
    await client.query(text)
    const hash = createHash('sha256').update(text).digest('hex')
    await client.query('insert into drizzle.__drizzle_migrations (hash, created_at) values ($1, $2)', [hash, when])
  }
  await client.query(`insert into "user" (id, name, email) values ('ann', 'Ann', 'ann@example.com');
    insert into session (id, token, user_id, expires_at, updated_at)
      values ('s1', 'token-1', 'ann', now() + interval '7 days', now())`)
}
