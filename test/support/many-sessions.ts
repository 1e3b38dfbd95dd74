import { createCookieSigner } from '../../auth/signed-cookie.ts'
import type { Browser } from './browser.ts'
import type { TestPostgres } from './postgres.ts'

/** A user with more sessions than anybody signs in for, and the cookies that go with them. */
export interface ManySessions {
  /** The `Cookie` header of the n-th, from 1. */
  cookieOf(n: number): string
  /** How many of the user's sessions are in the database. */
  left(): Promise<number>
}

/** Gives somebody who is signed in so many more sessions, by SQL; the n-th was last used n minutes ago. */
export async function giveSessions(
  postgres: TestPostgres,
  url: string,
  browser: Browser,
  secret: string,
  count: number
): Promise<ManySessions> {
  const signer = createCookieSigner(secret)
  const token = decodeURIComponent(browser.cookies.get(browser.sessionCookie) ?? '').split('.')[0] ?? ''
  const owner = `(select user_id from session where token = '${token}')`
  const prefix = `many-${token.slice(0, 8)}`
  await postgres.query(
    `insert into session (id, token, user_id, expires_at, created_at, updated_at, user_agent)
     select '${prefix}-' || n, '${prefix}-' || n, ${owner}, now() + interval '7 days', now(),
       now() - n * interval '1 minute', 'device-' || n || '/1.0'
     from generate_series(1, ${count}) n`,
    url
  )
  return {
    cookieOf: (n) => `${browser.sessionCookie}=${signer.sign(`${prefix}-${n}`)}`,
    async left() {
      const [row] = await postgres.query(
        `select count(*)::int as left from session where token like '${prefix}-%' or token = '${token}'`,
        url
      )
      return Number(row?.['left'])
    }
  }
}
