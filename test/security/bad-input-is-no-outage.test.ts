import t, { type Test } from 'tap'
import { requireSaneInput, shortName } from '../../auth/input-limits.ts'
import { startAuthApp } from '../support/auth-app.ts'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { startTestGateway } from '../support/gateway.ts'
import { sendForm } from '../support/pages.ts'

// An address of 3,000 characters was told as an outage of the database, a NUL as our own failure.

const password = 'correct horse battery'
const form = { 'content-type': 'application/x-www-form-urlencoded' }

await eachDatabase(
  t,
  async (t, { env, options, postgres }) => {
    const gateway = await startTestGateway(t, { env: { ...env, DATA_DIR: options.dataDir ?? t.testdirName } })
    const ada = new Browser(gateway.url, gateway.publicUrl)
    await ada.signUp('ada')
    const asked = (path: string, body: object, who = new Browser(gateway.url, gateway.publicUrl)) =>
      who.post(`/api/auth${path}`, body)
    const isRefused = async (t: Test, what: string, answer: Promise<{ status: number; text: string }>) =>
      t.match(await answer, { status: 400, text: /"code":"REQUEST_INVALID"/ }, what)

    t.test('what is too long, or no text, is the fault of who sent it', async (t) => {
      const long = 'x'.repeat(3_000)
      const half = '\ud83d'
      const cases: [path: string, body: object, who?: Browser][] = [
        ['/sign-up/email', { name: 'x', email: `${long}@example.com`, password }],
        ['/sign-up/email', { name: long, email: 'a@example.com', password }],
        ['/sign-up/email', { name: 'x'.repeat(60_000), email: 'a@example.com', password }],
        ['/sign-up/email', { name: 'x', image: long, email: 'b@example.com', password }],
        ['/sign-up/email', { name: 'a\0b', email: 'c@example.com', password }],
        ['/sign-up/email', { name: half, email: 'd@example.com', password }],
        ['/sign-up/email', { name: 'x', email: 'e@example.com', password, 'a\0': 1 }],
        ['/sign-up/email', { name: 'x', email: 'f@example.com', password, deep: [{ deeper: ['\0'] }] }],
        ['/sign-in/email', { email: `a\0b@example.com`, password }],
        ['/sign-in/email', { email: `${long}@example.com`, password }],
        ['/request-password-reset', { email: `a\0b@example.com` }],
        ['/reset-password', { token: 'a\0b', newPassword: password }],
        ['/reset-password', { token: 'x'.repeat(20_000), newPassword: password }],
        ['/update-user', { name: 'a\0' }, ada],
        ['/update-user', { name: long }, ada],
        ['/update-user', { image: long }, ada],
        ['/update-user', { image: 'a\0' }, ada],
        ['/revoke-session', { token: 'a\0b' }, ada],
        ['/change-email', { newEmail: `${long}@example.com` }, ada]
      ]
      for (const [path, body, who] of cases)
        await isRefused(t, `${path} ${JSON.stringify(body).slice(0, 80)}`, asked(path, body, who))
      const session = (await ada.ask('/api/auth/get-session')).json()
      t.match(session, { user: { name: 'ada', image: null } }, 'and nothing of it is kept')
    })

    t.test('forms and queries are held to the same', async (t) => {
      const eve = new Browser(gateway.url, gateway.publicUrl)
      // A person would be asked by a page first.
      const byScript = (path: string) => eve.ask(path, { headers: { 'sec-fetch-mode': 'cors' } })
      const body = 'email=a%00b%40example.com&password=correct+horse'
      await isRefused(t, 'a form', eve.ask('/api/auth/sign-in/email', { method: 'POST', headers: form, body }))
      for (const query of ['?token=a%00b', '?token=%ED%A0%80', '?token=%ed%bf%bf', `?token=x&a%00=1`])
        await isRefused(t, query, byScript(`/api/auth/verify-email${query}`))
      await isRefused(t, 'long', byScript(`/api/auth/verify-email?token=x&name=${'x'.repeat(201)}`))
      t.equal((await eve.ask('/api/auth/reset-password/a%00b?callbackURL=/x')).status, 400)
    })

    t.test('a password that is too long is told as BetterAuth tells it', async (t) => {
      const long = 'x'.repeat(129)
      for (const [path, body, who] of [
        ['/sign-up/email', { name: 'x', email: 'g@example.com', password: long }],
        ['/sign-in/email', { email: 'ada@example.com', password: long }],
        ['/change-password', { currentPassword: long, newPassword: password }, ada],
        ['/verify-password', { password: long }, ada]
      ] as [string, object, Browser?][])
        t.match(await asked(path, body, who), { status: 400, text: /PASSWORD_TOO_LONG/ }, path)
    })

    t.test('what is just as long as may be is taken, in whatever letters', async (t) => {
      const name = '\u{1f3e1}'.repeat(100)
      const image = `https://example.com/${'x'.repeat(2_028)}`
      t.equal((await asked('/update-user', { name, image }, ada)).status, 200)
      t.match((await ada.ask('/api/auth/get-session')).json(), { user: { name, image } })
    })

    t.test('the forms of the pages say so in a sentence, with what was entered', async (t) => {
      const eve = new Browser(gateway.url, gateway.publicUrl)
      const answer = await sendForm(eve, '/auth/sign-in', { email: 'a\0b@example.com', password })
      t.match(answer, { status: 400, text: /role="alert"[^>]*>Enter a whole email address/ })
      const named = await sendForm(ada, '/auth/account/profile', { name: `${'x'.repeat(199)}\u{1f3e1} and more` })
      t.equal(named.status, 303)
      t.match((await ada.ask('/api/auth/get-session')).json(), { user: { name: 'x'.repeat(199) } })
      t.equal((await sendForm(ada, '/auth/account/devices/revoke', { device: 'a\0' })).status, 400)
      t.equal((await ada.ask('/auth/account/devices?of=a%00')).status, 400)
    })

    if (postgres === undefined || options.url === undefined) return
    const { url } = options

    t.test('what the database cannot take is the fault of the request, whatever was overlooked', async (t) => {
      await postgres.query(`alter table "user" add constraint short check (length(name) < 150) not valid`, url)
      await isRefused(t, 'class 23', asked('/update-user', { name: 'x'.repeat(151) }, ada))
      await postgres.query('alter table "user" drop constraint short', url)
    })

    t.test('a statement that is wrong is our failure, no outage and no sign-out', async (t) => {
      const other = new Browser(gateway.url, gateway.publicUrl)
      await other.signUp('grace')
      const cookies = other.cookieHeader
      await postgres.query('alter table session rename column ip_address to elsewhere', url)
      const answer = await other.ask('/api/auth/list-sessions')
      t.match(answer, { status: 500, text: /"code":"INTERNAL_ERROR"/ })
      t.equal(other.cookieHeader, cookies)
      await postgres.query('alter table session rename column token to elsewhere2', url)
      const stranger = new Browser(gateway.url, gateway.publicUrl)
      t.match(await stranger.ask('/me', { headers: { cookie: cookies } }), { status: 500 })
      await postgres.query('alter table session rename column elsewhere2 to token', url)
      await postgres.query('alter table session rename column elsewhere to ip_address', url)
      t.equal((await other.ask('/api/auth/list-sessions')).status, 200)
    })
  },
  ['pglite', 'pg']
)

t.test('what a provider says of somebody is held to the same', async (t) => {
  const { auth } = await startAuthApp(t)
  const { internalAdapter } = await auth.$context
  const account = { providerId: 'github', accountId: '1' }
  const long = `${'x'.repeat(900_000)}\0`
  const profile = { email: 'eve@example.com', emailVerified: true, name: long, image: long }
  const made = await internalAdapter.createOAuthUser(profile, account)
  t.match(made.user, { name: 'x'.repeat(200), image: null })
  const changed = await internalAdapter.updateUser(made.user.id, { name: 'a\0b', image: 'https://example.com/me.png' })
  t.match(changed, { name: 'ab', image: 'https://example.com/me.png' })
  for (const email of [`${'x'.repeat(254)}@example.com`, 'a\0b@example.com'])
    t.match(
      await internalAdapter
        .createOAuthUser({ ...profile, email }, { ...account, accountId: '2' })
        .catch((error) => error),
      {
        body: { code: 'INVALID_EMAIL' }
      }
    )
})

t.test('a body of any depth is looked through, once', async (t) => {
  let deep: unknown = 'fine'
  for (let n = 0; n < 100_000; n++) deep = n % 2 === 0 ? [deep] : { a: deep }
  requireSaneInput(deep)
  let bad: unknown = 'a\0'
  for (let n = 0; n < 100_000; n++) bad = [bad]
  t.throws(() => requireSaneInput(bad), { code: 'REQUEST_INVALID' })
})

t.test('a name that is cut is cut between characters', async (t) => {
  t.equal(shortName('x'.repeat(300)), 'x'.repeat(200))
  t.equal(shortName(`${'x'.repeat(199)}\u{1f3e1}`), 'x'.repeat(199))
  t.equal(shortName('a\0b'), 'ab')
  t.ok(shortName('\ud83d!').isWellFormed())
})
