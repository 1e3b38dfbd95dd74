import t from 'tap'
import { WebSocketServer } from 'ws'
import { defineConfig } from '../../src/policy-file.ts'
import { adminDatabase, withAdmin } from '../support/admin-plugin.ts'
import { Browser } from '../support/browser.ts'
import { oneOrigin } from '../support/cookie-names.ts'
import { eachDatabase } from '../support/databases.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { closing, mustDial } from '../support/websocket.ts'

// Two replicas whose decisions last for ten minutes: only an event explains an earlier end.
await eachDatabase(
  t,
  async (t, database) => {
    const sql = await adminDatabase(t, database)
    const upstream = await startEchoUpstream(t)
    new WebSocketServer({ server: upstream.server })
    const policy = defineConfig({ auth: withAdmin })
    const start = (more: Record<string, string> = {}) =>
      startTestGateway(t, {
        upstreamUrl: upstream.url,
        policy,
        env: {
          ...database.env,
          ...oneOrigin,
          DATA_DIR: `${t.testdirName}-${Math.random()}`,
          SESSION_CACHE_TTL: '600',
          BETTER_AUTH_SECRET: 'one secret for all replicas of this test',
          ...more
        }
      })
    const [here, there] = [await start(), await start()]
    for (const gateway of [here, there]) {
      await until(async () => (await (await fetch(`${gateway.adminUrl}/readyz`)).text()).includes('"degraded":[]'))
    }

    /** Somebody who is signed in, known to both replicas, and connected through the second. */
    async function known(name: string) {
      const a = new Browser(here.url, here.publicUrl)
      await a.signUp(name)
      const b = new Browser(there.url, there.publicUrl)
      for (const [cookie, value] of a.cookies) b.cookies.set(cookie, value)
      for (const browser of [a, b]) t.equal((await browser.ask('/me')).status, 200)
      const headers = { host: new URL(there.publicUrl).host, cookie: b.cookieHeader }
      const { socket } = await mustDial(t, `ws://127.0.0.1:${there.port}/chat`, { headers })
      const closed = closing(socket)
      const ban = (how: string) => sql(`update "user" set ${how} where email = $1`, [`${name}@example.com`])
      return { a, b, closed, ban, headers }
    }
    const becomes = (browser: Browser, status: number) =>
      until(async () => (await browser.ask('/me')).status === status)

    t.test('who is banned by SQL is out at once, on every replica, of everything', async (t) => {
      const { a, b, closed, ban } = await known('ada')
      await ban('banned = true')
      await becomes(a, 401)
      await becomes(b, 401)
      t.same(await closed, { code: 1008, reason: 'session ended' })
      t.equal((await a.ask('/api/auth/list-sessions')).status, 401)
      t.equal((await a.post('/api/auth/update-user', { name: 'Eve' })).status, 401)
      const cookies = a.cookieHeader
      t.equal((await a.ask('/api/auth/get-session', { headers: { cookie: cookies } })).text, 'null')
      t.match(await a.signIn('ada'), { status: 403, text: /BANNED_USER/ })
    })

    t.test('a ban that is lifted, and one whose time is over, lets the same session in again', async () => {
      const { a, b, ban } = await known('grace')
      await ban('banned = true')
      await becomes(a, 401)
      await ban('banned = false')
      await becomes(a, 200)
      await ban(`banned = true, ban_expires = now() + interval '1 hour'`)
      await becomes(b, 401)
      await ban(`ban_expires = now() - interval '1 second'`)
      await becomes(b, 200)
      await ban(`banned = true, ban_expires = now() + interval '3 seconds'`)
      await becomes(a, 401)
      // Nobody announces that time has passed, and the refusal could be remembered for ten minutes.
      await becomes(a, 200)
    })

    t.test('a ban through the administrator ends all sessions of the user', async (t) => {
      const { a, ban } = await known('mary')
      await ban(`role = 'admin'`)
      const { b, closed } = await known('joan')
      const [joan] = await sql(`select id from "user" where email = 'joan@example.com'`)
      await until(async () => (await a.post('/api/auth/admin/ban-user', { userId: joan?.['id'] })).status === 200)
      await becomes(b, 401)
      t.match(await closed, { code: 1008 })
      t.same(await sql('select 1 from session where user_id = $1', [joan?.['id']]), [])
    })

    t.test('without session events open connections of the banned end with the next sweep', async (t) => {
      const deaf = await start({ SESSION_EVENTS: 'off', SESSION_CACHE_TTL: '1' })
      const { b, ban, headers } = await known('edith')
      const host = new URL(deaf.publicUrl).host
      const { socket } = await mustDial(t, `ws://127.0.0.1:${deaf.port}/chat`, { headers: { ...headers, host } })
      const closed = closing(socket)
      await ban('banned = true')
      t.match(await closed, { code: 1008 })
      await becomes(b, 401)
    })
  },
  ['pg', 'neon']
)
