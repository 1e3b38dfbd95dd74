import t, { type Test } from 'tap'
import { request } from 'undici'
import type { Browser } from '../support/browser.ts'
import { eachFaultyDatabase } from '../support/faults.ts'
import type { TestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

const longest = 120_000
// Nothing is wrong with the database here, however slow the machine is.
const patience = { connectionTimeoutMs: 20_000, statementTimeoutMs: 20_000 }
const lasting = { SESSION_CACHE_TTL: '600' }

/** Asks on and on, and notes when each request began and what came of it. */
function keepAsking(t: Test, gateway: TestGateway, browsers: readonly Browser[]) {
  const asked: { at: number; status: number }[] = []
  let stopped = false
  const loops = browsers.map(async ({ cookieHeader }) => {
    while (!stopped) {
      const at = performance.now()
      const { statusCode, body } = await request(`${gateway.url}/me`, {
        headers: { host: new URL(gateway.publicUrl).host, cookie: cookieHeader }
      })
      await body.dump()
      asked.push({ at, status: statusCode })
    }
  })
  const stop = async () => {
    stopped = true
    await Promise.all(loops)
  }
  t.teardown(stop)
  return { asked, stop }
}

await eachFaultyDatabase(t, async (t, database) => {
  // Nothing but events and BetterAuth's own word ends a decision here.
  const here = await database.startGateway(lasting, patience)
  const there = await database.startGateway(lasting, patience)

  const revokeAll = async (t: Test, browsers: readonly Browser[]) => {
    const [first] = browsers
    const answer = await first?.post('/api/auth/revoke-sessions')
    t.equal(answer?.status, 200)
  }

  t.test('no request that begins after all sessions were revoked is let through, however many race it', async (t) => {
    const browsers = await database.strangers(here, 60)
    // Look-ups take their time, so that some are in flight when the rows go; half of the sessions nobody knows yet.
    database.network.delay(5)
    for (const browser of browsers.slice(0, 30)) t.equal((await browser.ask('/me')).status, 200)
    const [hereAsking, thereAsking] = [keepAsking(t, here, browsers), keepAsking(t, there, browsers)]
    await until(() => Math.min(hereAsking.asked.length, thereAsking.asked.length) > 120, longest)
    await revokeAll(t, browsers)
    const revokedAt = performance.now()
    await until(() => hereAsking.asked.filter(({ at }) => at >= revokedAt).length > 120, longest)
    await until(() => thereAsking.asked.slice(-120).every(({ status }) => status === 401), longest)
    const quietAt = performance.now()
    t.comment(`elsewhere refused ${(quietAt - revokedAt).toFixed(0)} ms after the answer at the latest`)
    await until(() => thereAsking.asked.filter(({ at }) => at >= quietAt).length > 120, longest)
    await Promise.all([hereAsking.stop(), thereAsking.stop()])
    await database.network.heal()

    const letIn = (asked: { at: number; status: number }[], from = 0) =>
      asked.filter(({ at, status }) => at >= from && status === 200).length
    t.ok(letIn(hereAsking.asked) > 0 && letIn(thereAsking.asked) > 0, 'before, they were let in')
    t.equal(letIn(hereAsking.asked, revokedAt), 0, 'refused at once where it was done')
    t.equal(letIn(thereAsking.asked, quietAt), 0, 'and for good elsewhere')
  })

  t.test('a thousand sessions of one user end together', async (t) => {
    const browsers = await database.strangers(here, 1_000)
    const askAll = async (gateway: TestGateway) => {
      const answers = new Set<number>()
      const waiting = [...browsers]
      const askOn = async () => {
        for (let browser = waiting.pop(); browser !== undefined; browser = waiting.pop()) {
          const headers = { host: new URL(gateway.publicUrl).host, cookie: browser.cookieHeader }
          const { statusCode, body } = await request(`${gateway.url}/me`, { headers })
          await body.dump()
          answers.add(statusCode)
        }
      }
      await Promise.all(Array.from({ length: 20 }, askOn))
      return [...answers]
    }
    for (const gateway of [here, there]) t.same(await askAll(gateway), [200])
    await revokeAll(t, browsers)
    t.same(await askAll(here), [401])
    await until(async () => (await askAll(there)).join() === '401', longest)
  })

  t.test('two replicas that refresh one session at the same time sign nobody out', async (t) => {
    const browsers = await database.strangers(here, 20, { expiresAt: "now() + interval '3 days'" })
    const cookies: string[] = []
    await Promise.all(
      browsers.flatMap(({ cookieHeader }) =>
        [here, there, here, there].map(async (gateway) => {
          const headers = { host: new URL(gateway.publicUrl).host, cookie: cookieHeader }
          const { statusCode, headers: answered, body } = await request(`${gateway.url}/me`, { headers })
          await body.dump()
          t.equal(statusCode, 200)
          for (const line of [answered['set-cookie'] ?? []].flat()) cookies.push(line)
        })
      )
    )
    t.ok(cookies.length >= browsers.length, 'each is told of its refresh')
    t.ok(
      cookies.every((line) => /^better-auth-8080\.session_token=[^;]{40,}; Max-Age=604800/.test(line)),
      'and told nothing else'
    )
    for (const browser of browsers) {
      t.ok(
        cookies.some((line) => line.startsWith(`${browser.cookieHeader};`)),
        'the cookie stays what it was'
      )
      t.equal((await browser.ask('/me')).status, 200)
    }
    const [first] = browsers
    const series = first?.cookies.get(first.sessionCookie)?.split('-')[0]
    const [left] = await database.sql(
      `select count(*)::int as refreshed from session
       where token like '${series}-%' and expires_at > now() + interval '6 days'`
    )
    t.equal(left?.['refreshed'], browsers.length)
  })
})
