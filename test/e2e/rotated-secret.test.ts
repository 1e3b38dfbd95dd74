import { multiSession } from 'better-auth/plugins/multi-session'
import { twoFactor } from 'better-auth/plugins/two-factor'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { Browser } from '../support/browser.ts'
import { prefixOn } from '../support/cookie-names.ts'
import { eachDatabase, type TestDatabase } from '../support/databases.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { migrateOnce } from '../support/embedded-database.ts'
import { startTestGateway } from '../support/gateway.ts'
import { dial } from '../support/websocket.ts'

// Another BETTER_AUTH_SECRET signed everybody out. The previous one is accepted for cookies, which are signed anew.

const first = { BETTER_AUTH_SECRET: 'the first secret of this test, which is long enough' }
const second = { BETTER_AUTH_SECRET: 'the second secret of this test, which is long enough' }
const both = { ...second, BETTER_AUTH_SECRET_PREVIOUS: first.BETTER_AUTH_SECRET }
const password = 'correct horse battery'
const auth = { plugins: [multiSession(), twoFactor({ skipVerificationOnEnable: true })] }

await eachDatabase(t, async (t, database) => {
  await migrateOnce({ ...database.options, pluginTables: pluginTables(auth) })
  for (const publicUrl of ['http://localhost:8080', 'https://localhost:8443'])
    await t.test(publicUrl, async (t) => staysSignedIn(t, database, publicUrl))
})

async function staysSignedIn(t: Test, { env }: TestDatabase, publicUrl: string): Promise<void> {
  const upstream = await startEchoUpstream(t)
  const sockets = new WebSocketServer({ server: upstream.server })
  t.teardown(() => sockets.close())
  const start = (secrets: Record<string, string>) =>
    startTestGateway(t, {
      upstreamUrl: upstream.url,
      env: { ...env, BETTER_AUTH_URL: publicUrl, ...secrets },
      policy: { auth }
    })
  const prefix = prefixOn(publicUrl)
  const [session, mark] = [`${prefix}session_token`, `${prefix}dont_remember`]
  const names = ['ada', 'grace', 'joan', 'mary'].map((name) => `${name}-${publicUrl.slice(0, 5).replace(':', '')}`)
  const [ada = '', grace = '', joan = '', mary = ''] = names

  const before = await start(first)
  const jars = new Map<string, Browser>()
  for (const name of names) {
    const browser = new Browser(before.url, publicUrl)
    t.equal((await browser.signUp(name)).status, 200)
    jars.set(name, browser)
  }
  const shortly = new Browser(before.url, publicUrl)
  await shortly.signIn(grace, password, { rememberMe: false })
  jars.set(grace, shortly)
  const enabled = (await jars.get(mary)?.post('/api/auth/two-factor/enable', { password }))?.json() as {
    backupCodes: string[]
  }
  await before.close({ delayMs: 0, timeoutMs: 100 })

  const after = await start(both)
  /** The browser of before, which now asks this gateway. */
  const again = (name: string, gateway = after) => {
    const browser = new Browser(gateway.url, publicUrl)
    for (const [cookie, value] of jars.get(name)?.cookies ?? []) browser.cookies.set(cookie, value)
    return browser
  }
  const told = ({ headers }: { headers: Record<string, string | string[] | undefined> }) =>
    [headers['set-cookie'] ?? []].flat()

  await t.test('a cookie of before is accepted and signed anew, once', async (t) => {
    const browser = again(ada)
    const old = browser.cookies.get(session)
    const answer = await browser.ask('/me')
    t.equal(answer.status, 200)
    const [cookie = '', multi = '', ...more] = told(answer)
    t.match(cookie, /session_token=[^;]+; Max-Age=604800; Path=\/; HttpOnly; (Secure; )?SameSite=Lax$/)
    t.match(multi, /session_token_multi-[^;]+; Max-Age=604800; /)
    t.same(more, [])
    t.equal(answer.headers['cache-control'], 'private, no-store')
    t.not(browser.cookies.get(session), old)
    t.equal(
      decodeURIComponent(browser.cookies.get(session) ?? '').split('.')[0],
      decodeURIComponent(old ?? '').split('.')[0]
    )
    t.same(told(await browser.ask('/me')), [])
    // From the cache, too.
    t.equal(told(await again(ada).ask('/me')).length, 2)
    t.equal(told(await again(ada).ask('/auth/account')).length, 2)
  })

  await t.test('BetterAuth accepts it as well, and so does a handshake', async (t) => {
    const browser = again(joan)
    const answer = await browser.ask('/api/auth/get-session')
    t.match(answer.json(), { user: { name: joan } })
    t.equal(told(answer).length, 2)
    t.same(told(await browser.ask('/api/auth/get-session')), [])
    const listed = (await again(joan).ask('/api/auth/multi-session/list-device-sessions')).json()
    t.match(listed, [{ user: { name: joan } }])
    const { cookieHeader: cookie } = again(joan)
    const shaken = await dial(t, `${after.url.replace('http', 'ws')}/chat`, {
      headers: { host: new URL(publicUrl).host, cookie, origin: publicUrl }
    })
    t.equal(shaken.status, 101)
    const out = again(joan)
    await out.signOut()
    t.same([...out.cookies.keys()], [], 'signing out signs nothing anew')
  })

  await t.test('without "remember me" the cookies end with the browser as before', async (t) => {
    const browser = again(grace)
    const answer = await browser.ask('/me')
    t.equal(answer.status, 200)
    const cookies = told(answer).filter((line) => !line.includes('_multi-'))
    t.same(cookies.map((line) => line.split('=')[0]).toSorted(), [mark, session].toSorted())
    for (const line of cookies) t.notMatch(line, /Max-Age/)
    t.same(told(await browser.ask('/me')), [], 'and the session is not refreshed')
  })

  await t.test('what the previous secret encrypted can be read', async (t) => {
    const browser = new Browser(after.url, publicUrl)
    t.match((await browser.signIn(mary)).json(), { twoFactorRedirect: true })
    const answer = await browser.post('/api/auth/two-factor/verify-backup-code', { code: enabled.backupCodes[0] })
    t.equal(answer.status, 200, answer.text)
    t.equal((await browser.ask('/me')).status, 200)
  })

  const anew = again(ada)
  await anew.ask('/me')
  jars.set('anew', anew)
  await after.close({ delayMs: 0, timeoutMs: 100 })
  const later = await start(second)
  await t.test('without the previous secret its cookies are nobody, and those signed anew go on', async (t) => {
    t.equal((await again(ada, later).ask('/me')).status, 401)
    t.equal((await again(ada, later).ask('/api/auth/get-session')).text, 'null')
    t.equal((await again('anew', later).ask('/me')).status, 200)
  })
  await later.close({ delayMs: 0, timeoutMs: 100 })
}
