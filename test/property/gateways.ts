import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import type { RouteRule } from '../../proxy/route-rules.ts'
import { Browser } from '../support/browser.ts'
import { oneOrigin } from '../support/cookie-names.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { startPostgres } from '../support/postgres.ts'

/** Gateways that share a database, a secret and one signed-in user, and differ in their rules. */
export interface Gateways {
  readonly userId: string
  readonly email: string
  /** The session's `Cookie` header. */
  readonly cookie: string
  start(rules: readonly RouteRule[], upstreamUrl?: string): Promise<TestGateway>
}

export async function startGateways(t: Test, usualUpstream?: string): Promise<Gateways> {
  const postgres = await startPostgres(t)
  const url = await postgres.createDatabase()
  const database = await openDatabase({ driver: 'pg', url })
  await migrate(database)
  await database.close()

  const secret = randomBytes(32).toString('hex')
  const env = {
    DATABASE_URL: url,
    BETTER_AUTH_SECRET: secret,
    ...oneOrigin,
    LOG_LEVEL: 'error',
    SESSION_EVENTS: 'off',
    // Nothing is kept there; without it every gateway would be given an embedded database that it does not use.
    DATA_DIR: t.testdir(),
    // Nobody's addresses are believed, so that what FastAPI is told can only be the gateway's.
    TRUSTED_PROXIES: ''
  }
  const start = (routes: readonly RouteRule[], upstreamUrl = usualUpstream) =>
    startTestGateway(t, { ...(upstreamUrl === undefined ? {} : { upstreamUrl }), env, policy: { routes } })

  const first = await start([])
  const browser = new Browser(first.url, first.publicUrl)
  const signedUp = await browser.signUp('ada')
  if (signedUp.status !== 200) throw new Error(signedUp.text)
  const { user } = signedUp.json() as { user: { id: string; email: string } }
  await first.close({ delayMs: 0, timeoutMs: 100 })
  return { userId: user.id, email: user.email, cookie: browser.cookieHeader, start }
}
