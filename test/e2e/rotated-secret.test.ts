import { createPublicKey, type JsonWebKey, verify } from 'node:crypto'
import { jwt } from 'better-auth/plugins/jwt'
import { multiSession } from 'better-auth/plugins/multi-session'
import { twoFactor } from 'better-auth/plugins/two-factor'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { openDatabase } from '../../db/open-database.ts'
import { blockWith } from '../docs/documents.ts'
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
const auth = { plugins: [multiSession(), twoFactor({ skipVerificationOnEnable: true }), jwt()] }

await eachDatabase(t, async (t, database) => {
  await migrateOnce({ ...database.options, pluginTables: pluginTables(auth) })
  for (const publicUrl of ['http://localhost:8080', 'https://localhost:8443'])
    await t.test(publicUrl, async (t) => staysSignedIn(t, database, publicUrl))
})

async function staysSignedIn(t: Test, { env, options }: TestDatabase, publicUrl: string): Promise<void> {
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
  const signedIn = new Browser(before.url, publicUrl)
  for (const name of names) {
    const browser = name === ada ? signedIn : new Browser(before.url, publicUrl)
    t.equal((await browser.signUp(name)).status, 200)
    jars.set(name, browser)
  }
  const shortly = new Browser(before.url, publicUrl)
  await shortly.signIn(grace, password, { rememberMe: false })
  jars.set(grace, shortly)
  const enabled = (await jars.get(mary)?.post('/api/auth/two-factor/enable', { password }))?.json() as {
    backupCodes: string[]
  }
  const signedBefore = await tokenOf(signedIn)
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

  await t.test('the key that the previous secret encrypted signs on', async (t) => {
    const keys = await keysOf(again(ada))
    t.ok(isSignedBy(await tokenOf(again(ada)), keys))
    t.same(await keysOf(again(ada)), keys, 'no new one is made')
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
  await t.test('a key that cannot be opened signs no more, and what it has signed is verified as before', async (t) => {
    const session = await again('anew', later).ask('/api/auth/get-session')
    t.equal(session.status, 200)
    t.match(session.json(), { user: { name: ada } })
    const signedLater = await tokenOf(again('anew', later))
    t.not(keyOf(signedLater), keyOf(signedBefore))
    t.equal(keyOf(await tokenOf(again('anew', later))), keyOf(signedLater), 'one new key is made, and stays')
    const keys = await keysOf(again(ada, later))
    for (const token of [signedBefore, signedLater]) t.ok(isSignedBy(token, keys))
  })
  await t.test('a second factor that cannot be opened lets nobody in', async (t) => {
    const browser = new Browser(later.url, publicUrl)
    t.match((await browser.signIn(mary)).json(), { twoFactorRedirect: true })
    const answer = await browser.post('/api/auth/two-factor/verify-totp', { code: '123456' })
    t.equal(answer.status, 500)
    t.equal((await browser.ask('/me')).status, 401)
    const code = { code: enabled.backupCodes[1] }
    const backup = await browser.post('/api/auth/two-factor/verify-backup-code', code)
    t.equal(backup.status, 200, 'the codes that are left were encrypted anew when one was used')
  })
  await later.close({ delayMs: 0, timeoutMs: 100 })

  const database = await openDatabase(options)
  const statements = blockWith('docs/deploying.md', 'two_factor_enabled')
  await database.withDirectClient(({ query }) => query(statements)).finally(() => database.close())
  const without = await start(second)
  await t.test('once it is taken away, as the guide has it, the password is enough', async (t) => {
    const browser = new Browser(without.url, publicUrl)
    t.match((await browser.signIn(mary)).json(), { user: { name: mary } })
    t.equal((await browser.ask('/me')).status, 200)
  })
  await without.close({ delayMs: 0, timeoutMs: 100 })
}

type PublishedKey = JsonWebKey & { readonly kid: string }

async function tokenOf(browser: Browser): Promise<string> {
  const answer = await browser.ask('/api/auth/token')
  return (answer.json() as { token: string }).token
}

async function keysOf(browser: Browser): Promise<PublishedKey[]> {
  const answer = await browser.ask('/api/auth/jwks')
  return (answer.json() as { keys: PublishedKey[] }).keys
}

function keyOf(token: string): string {
  const header: { kid: string } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())
  return header.kid
}

function isSignedBy(token: string, keys: readonly PublishedKey[]): boolean {
  const [header, payload, signature = ''] = token.split('.')
  const key = keys.find(({ kid }) => kid === keyOf(token))
  if (key === undefined) return false
  const signed = Buffer.from(`${header}.${payload}`)
  return verify(null, signed, createPublicKey({ key, format: 'jwk' }), Buffer.from(signature, 'base64url'))
}
