import t from 'tap'
import { WebSocketServer } from 'ws'
import { defineConfig } from '../../src/policy-file.ts'
import { adminDatabase, withAdmin } from '../support/admin-plugin.ts'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { dial } from '../support/websocket.ts'

const policy = defineConfig({
  routes: [
    { path: '/admin/*', access: 'session', roles: ['admin', 'owner'] },
    { path: '/verified/*', access: 'session', verified: true },
    { path: '/fresh/*', access: 'session', freshWithin: 3_600 },
    { path: '/all/*', access: 'session', roles: ['admin'], verified: true, freshWithin: 3_600 }
  ],
  auth: withAdmin,
  principalHeaders: ['name', 'role', 'sessionId', 'sessionCreatedAt', 'impersonatedBy']
})

await eachDatabase(
  t,
  async (t, database) => {
    const sql = await adminDatabase(t, database)
    const upstream = await startEchoUpstream(t)
    new WebSocketServer({ server: upstream.server })
    // A decision that lasts for ten minutes: what changes earlier was announced.
    const env = { ...database.env, DATA_DIR: t.testdirName, SESSION_CACHE_TTL: '600' }
    const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env, policy })
    await until(async () => (await (await fetch(`${gateway.adminUrl}/readyz`)).text()).includes('"degraded":[]'))

    async function signedUp(name: string) {
      const browser = new Browser(gateway.url, gateway.publicUrl)
      await browser.signUp(name)
      const change = (what: string) => sql(`update "user" set ${what} where email = $1`, [`${name}@example.com`])
      const outcome = async (path: string) => {
        const answer = await browser.ask(path)
        return answer.status === 200 ? 200 : (answer.json() as { code: string }).code
      }
      const becomes = (path: string, wanted: number | string) => until(async () => (await outcome(path)) === wanted)
      return { browser, change, outcome, becomes }
    }

    t.test('a rule with roles admits who has one of them, and follows a change at once', async (t) => {
      const { change, outcome, becomes } = await signedUp('ada')
      t.equal(await outcome('/admin/x'), 'ROLE_REQUIRED')
      t.equal(await outcome('/other'), 200)
      await change(`role = 'editor,owner'`)
      await becomes('/admin/x', 200)
      for (const none of ['administrator', 'Admin', 'editor', ' admin', '', 'admin;owner']) {
        await change(`role = '${none}'`)
        await becomes('/admin/x', 'ROLE_REQUIRED')
        await change(`role = 'admin'`)
        await becomes('/admin/x', 200)
      }
    })

    t.test('a rule for verified addresses', async (t) => {
      const { change, outcome, becomes } = await signedUp('grace')
      t.equal(await outcome('/verified/x'), 'EMAIL_UNVERIFIED')
      await change('email_verified = true')
      await becomes('/verified/x', 200)
    })

    t.test('a rule for fresh sessions looks at when the session began, not at its refreshes', async (t) => {
      const { browser, outcome, becomes } = await signedUp('joan')
      t.equal(await outcome('/fresh/x'), 200)
      await sql(`update session set created_at = created_at - interval '1 hour', expires_at = now() + interval '1 day'`)
      await becomes('/fresh/x', 'SESSION_NOT_FRESH')
      t.equal(await outcome('/other'), 200)
      await browser.signIn('joan')
      t.equal(await outcome('/fresh/x'), 200)
    })

    t.test('of several demands the one comes first that waiting and mails do not mend', async (t) => {
      const { change, outcome, becomes } = await signedUp('mary')
      t.equal(await outcome('/all/x'), 'ROLE_REQUIRED')
      await change(`role = 'admin'`)
      await becomes('/all/x', 'EMAIL_UNVERIFIED')
      await change('email_verified = true')
      await becomes('/all/x', 200)
    })

    t.test('without a session it is 401, and WebSockets are judged alike', async (t) => {
      const { browser, change, becomes } = await signedUp('edith')
      const anonymous = new Browser(gateway.url, gateway.publicUrl)
      t.equal((await anonymous.ask('/admin/x')).status, 401)
      const headers = { host: new URL(gateway.publicUrl).host, cookie: browser.cookieHeader }
      const knock = () => dial(t, `ws://127.0.0.1:${gateway.port}/admin/ws`, { headers })
      const refused = await knock()
      t.match(refused, { status: 403, body: /"code":"ROLE_REQUIRED"/ })
      await change(`role = 'admin'`)
      await becomes('/admin/x', 200)
      t.equal((await knock()).status, 101)
    })

    t.test('the headers that the policy file asks for, and who acts as somebody else', async (t) => {
      const karen = await signedUp('karen')
      const eve = await signedUp('eve')
      const seen = async (browser: Browser) => ((await browser.ask('/other')).json() as Echo).headers
      await karen.change(`role = 'admin,editor', name = 'Karen Ü'`)
      await karen.becomes('/admin/x', 200)
      const began = `to_char(s.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as began`
      const [own] = await sql(
        `select s.id, ${began} from session s join "user" u on u.id = user_id where email like 'karen%'`
      )
      t.match(await seen(karen.browser), {
        'x-user-name': 'Karen%20%C3%9C',
        'x-user-role': 'admin,editor',
        'x-session-id': own?.['id'],
        'x-session-created-at': own?.['began']
      })
      const [her] = await sql(`select id from "user" where email = 'eve@example.com'`)
      t.match(await seen(eve.browser), { 'x-user-role': 'user', 'x-user-impersonated-by': undefined })

      const { headers: before } = (await karen.browser.ask('/other')).json() as Echo
      const taken = await karen.browser.post('/api/auth/admin/impersonate-user', { userId: her?.['id'] })
      t.equal(taken.status, 200, taken.text)
      t.match(await seen(karen.browser), {
        'x-user-id': her?.['id'],
        'x-user-role': 'user',
        'x-user-impersonated-by': before['x-user-id']
      })
      t.equal(await karen.outcome('/admin/x'), 'ROLE_REQUIRED')
      t.equal((await karen.browser.post('/api/auth/admin/stop-impersonating')).status, 200)
      t.match(await seen(karen.browser), { 'x-user-role': 'admin,editor', 'x-user-impersonated-by': undefined })
    })
  },
  ['pg']
)
