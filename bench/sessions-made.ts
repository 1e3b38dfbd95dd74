import { createHash } from 'node:crypto'
import { cookiePrefix } from '../auth/better-auth-cookie-names.ts'
import { createCookieSigner } from '../auth/signed-cookie.ts'
import { migrateOnce } from '../test/support/embedded-database.ts'
import type { TestPostgres } from '../test/support/postgres.ts'

/** The secret that everybody signs with here. It guards nothing. */
export const secret = 'benchmark-benchmark-benchmark-benchmark'

const signer = createCookieSigner(secret)

/** The cookie header of the `n`th session, from 0, for the gateway at this address; without one, for BetterAuth alone. */
export function cookieOf(n: number, gateway?: string): string {
  return `${nameFor(gateway)}=${signer.sign(md5(n))}`
}

/** The same with a wrong signature. */
export function forgedCookieOf(n: number, gateway: string): string {
  const stranger = createCookieSigner(`${secret} of somebody else`)
  return `${nameFor(gateway)}=${stranger.sign(md5(n))}`
}

/** So many cookie headers of different sessions, spread over a database of that size, without its first. */
export function cookiesAcross(sessions: number, wanted: number, gateway: string): string[] {
  const count = Math.min(wanted, sessions - 1)
  return Array.from({ length: count }, (_, i) => cookieOf(1 + Math.floor((i * (sessions - 1)) / count), gateway))
}

function nameFor(gateway: string | undefined): string {
  return `${gateway === undefined ? 'better-auth' : cookiePrefix(gateway, false)}.session_token`
}

/** Makes a database with our tables and so many live sessions, one user for every ten. Answers its address. */
export async function createSessionDatabase(postgres: TestPostgres, sessions: number): Promise<string> {
  const url = await postgres.createDatabase()
  await postgres.query(`alter database "${new URL(url).pathname.slice(1)}" set log_statement = 'none'`)
  await migrateOnce({ driver: 'pg', url })
  // Checking a million references, all of them good, takes longer than making them.
  for (const sql of sessionStatements(sessions))
    await postgres.query(`set session_replication_role = replica; ${sql}`, url)
  return url
}

/** The SQL that makes so many live sessions, for any of the databases. */
export function sessionStatements(sessions: number): string[] {
  const users = Math.ceil(sessions / 10)
  return [
    `insert into "user" (id, name, email, email_verified, created_at, updated_at)
     select 'user' || n, 'User', 'user' || n || '@example.com', true, now(), now()
     from generate_series(0, ${users - 1}) n`,
    `insert into session (id, token, user_id, expires_at, created_at, updated_at)
     select 'session' || n, md5(n::text), 'user' || (n / 10), now() + interval '7 days', now(), now()
     from generate_series(0, ${sessions - 1}) n`,
    'analyze "user"',
    'analyze session'
  ]
}

function md5(n: number): string {
  return createHash('md5').update(String(n)).digest('hex')
}
