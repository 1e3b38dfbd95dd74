import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { createCookieSigner } from '../../auth/signed-cookie.ts'
import { Browser } from './browser.ts'
import { oneOrigin } from './cookie-names.ts'
import { startEchoUpstream } from './echo-upstream.ts'
import { migrateOnce } from './embedded-database.ts'
import { startTestGateway, type TestGateway, type TestGatewayOptions } from './gateway.ts'
import { startNeonBridge } from './neon-bridge.ts'
import { startPostgres, type TestPostgres } from './postgres.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'
import { until } from './until.ts'

const secret = 'one secret for all gateways of this test'

/** A real PostgreSQL behind a network that the test can break. */
export interface FaultyDatabase {
  readonly driver: 'pg' | 'neon'
  readonly postgres: TestPostgres
  readonly network: TcpProxy
  /** The role that the gateways are: no superuser, so that limits hold for it. */
  readonly role: string
  /** Runs a statement as a superuser, past the network. */
  sql(statement: string): Promise<Record<string, unknown>[]>
  /** A gateway on this database, with events heard. */
  startGateway(env?: Record<string, string>, database?: TestGatewayOptions['database']): Promise<TestGateway>
  /** Signs somebody up, and answers their browser. */
  signUp(gateway: TestGateway, name: string): Promise<Browser>
  /** Browsers with so many sessions that no gateway has seen yet, made by SQL. `columns` overrides a column's SQL. */
  strangers(gateway: TestGateway, count: number, columns?: { expiresAt?: string }): Promise<Browser[]>
}

/** Runs the same promises over node-postgres and over Neon's driver. */
export async function eachFaultyDatabase(
  t: Test,
  promises: (t: Test, database: FaultyDatabase) => Promise<void>,
  drivers: readonly FaultyDatabase['driver'][] = ['pg', 'neon']
): Promise<void> {
  const postgres = await startPostgres(t)
  for (const driver of drivers) {
    await t.test(driver, async (t) => promises(t, await makeFaulty(t, driver, postgres)))
  }
}

async function makeFaulty(t: Test, driver: 'pg' | 'neon', postgres: TestPostgres): Promise<FaultyDatabase> {
  const role = `app_${randomBytes(4).toString('hex')}`
  await postgres.query(`create role ${role} login password 'not-a-secret'`)
  const own = new URL(await postgres.createDatabase())
  await postgres.query(`alter database "${own.pathname.slice(1)}" owner to ${role}`)
  const network = await startTcpProxy(t, postgres.port)
  const url = new URL(own)
  url.username = role
  url.password = 'not-a-secret'
  await migrateOnce({ driver: 'pg', url: url.href })
  url.port = String(network.port)
  const bridge = driver === 'neon' ? { NEON_WS_PROXY: await startNeonBridge(t, network.port) } : {}
  const upstream = await startEchoUpstream(t)
  const sql = (statement: string) => postgres.query(statement, own.href)

  return {
    driver,
    postgres,
    network,
    role,
    sql,
    async startGateway(env = {}, database) {
      const gateway = await startTestGateway(t, {
        upstreamUrl: upstream.url,
        env: {
          DATABASE_DRIVER: driver,
          DATABASE_URL: url.href,
          ...bridge,
          ...oneOrigin,
          BETTER_AUTH_SECRET: secret,
          ...env
        },
        ...(database === undefined ? {} : { database })
      })
      await until(async () => (await degraded(gateway)).length === 0)
      return gateway
    },
    async signUp(gateway, name) {
      const browser = new Browser(gateway.url, gateway.publicUrl)
      const answer = await browser.signUp(name)
      if (answer.status !== 200) throw new Error(`sign-up: ${answer.status} ${answer.text}`)
      return browser
    },
    async strangers(gateway, count, { expiresAt = "now() + interval '7 days'" } = {}) {
      const series = randomBytes(8).toString('hex')
      await sql(`insert into "user" (id, name, email) values ('${series}', '${series}', '${series}@example.com')`)
      await sql(`insert into session (id, token, user_id, expires_at, updated_at)
        select '${series}-' || n, '${series}-' || n, '${series}', ${expiresAt}, now() from generate_series(1, ${count}) n`)
      const signer = createCookieSigner(secret)
      return Array.from({ length: count }, (_, n) => {
        const browser = new Browser(gateway.url, gateway.publicUrl)
        browser.cookies.set(browser.sessionCookie, signer.sign(`${series}-${n + 1}`))
        return browser
      })
    }
  }
}

/** What `/readyz` says does not work. */
export async function degraded(gateway: TestGateway): Promise<readonly string[]> {
  const report = (await (await fetch(`${gateway.adminUrl}/readyz`)).json()) as { degraded: string[] }
  return report.degraded
}
