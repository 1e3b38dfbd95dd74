import t from 'tap'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

await eachDatabase(
  t,
  async (t, { env, postgres }) => {
    if (postgres === undefined) throw new Error('this database cannot be stopped')
    const upstream = await startEchoUpstream(t)
    const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { ...env, SESSION_CACHE_TTL: '8' } })
    const ada = new Browser(gateway.url, gateway.publicUrl)
    const stranger = new Browser(gateway.url, gateway.publicUrl)
    await ada.signUp('ada')
    const ready = async () => (await fetch(`${gateway.adminUrl}/readyz`)).json()
    await until(async () => JSON.stringify(await ready()) === '{"status":"ready","degraded":[]}')
    t.equal((await ada.ask('/me')).status, 200)

    await postgres.stop()

    t.test('while its decision lasts a known session goes on; then private routes are 503, never 401', async (t) => {
      let answer = await ada.ask('/me')
      t.equal(answer.status, 200)
      await until(async () => {
        answer = await ada.ask('/me')
        return answer.status !== 200
      })
      t.equal(answer.status, 503)
      t.match(answer.json(), { code: 'SESSION_STORE_UNAVAILABLE' })
      t.match(answer.headers['retry-after'], /^[1-9]\d*$/)
      t.notOk('set-cookie' in answer.headers)
      t.equal((await ada.ask('/optional/x')).status, 503, 'who asks is not known, so nobody is let through as nobody')
    })

    t.test('who has no session is told so, and public routes work', async (t) => {
      t.equal((await stranger.ask('/me')).status, 401)
      t.equal((await stranger.ask('/public/x')).status, 200)
      t.equal((await ada.ask('/public/x')).status, 200)
    })

    t.test('BetterAuth answers 503 as well and clears no cookie', async (t) => {
      for (const path of ['/api/auth/get-session', '/api/auth/list-sessions']) {
        const answer = await ada.ask(path)
        t.equal(answer.status, 503, path)
        t.notOk('set-cookie' in answer.headers, path)
      }
      t.equal((await stranger.signIn('ada')).status, 503)
    })

    t.test('the gateway is ready, and degraded', async (t) => {
      const both = '["database","session-events"]'
      await until(async () => JSON.stringify(await ready()).includes(both))
      t.equal((await fetch(`${gateway.adminUrl}/readyz`)).status, 200)
      t.same(await ready(), { status: 'ready', degraded: ['database', 'session-events'] })
    })

    t.test('when the database is back everybody is still signed in, without a restart', async (t) => {
      await postgres.start()
      await until(async () => (await ada.ask('/me')).status === 200)
      await until(async () => JSON.stringify(await ready()).includes('"degraded":[]'))
      t.notMatch(gateway.logged(), ada.cookieHeader.slice(30, 50), 'no token in the log')
    })
  },
  ['pg', 'neon']
)
