import t from 'tap'
import { pluginTables } from '../../auth/plugin-tables.ts'
import type { AuthExtension } from '../../auth/policy-auth-options.ts'
import { defineConfig } from '../../src/policy-file.ts'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { migrateOnce } from '../support/embedded-database.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

const lie = 'gold'
const profile = { email: 'gil@example.com', name: 'Gil', emailVerified: true, plan: lie, motto: 'hi' }
const auth: AuthExtension = {
  user: {
    additionalFields: {
      plan: { type: 'string', input: false, defaultValue: 'free' },
      creditLimit: { type: 'number', input: false, required: false },
      paidUntil: { type: 'date', input: false, required: false },
      motto: { type: 'string', required: false }
    }
  },
  session: { additionalFields: { device: { type: 'string', input: false, required: false } } },
  socialProviders: {
    google: {
      clientId: 'id',
      clientSecret: 'secret',
      overrideUserInfoOnSignIn: true,
      verifyIdToken: async () => true,
      // As a provider that says more about people than was asked.
      getUserInfo: async () => ({
        user: profile,
        data: {
          ...{ sub: 'google-1', aud: 'id', azp: 'id', iss: 'https://accounts.google.com', iat: 0, exp: 0 },
          ...{ email: profile.email, email_verified: true, name: 'Gil', given_name: 'Gil', family_name: 'G' },
          picture: 'https://example.com/gil.png'
        }
      })
    }
  }
}
const policy = defineConfig({
  auth,
  principalHeaders: ['plan', 'creditLimit', 'paidUntil', 'device', { field: 'motto', clientMaySet: true }]
})
const password = 'correct horse battery'

await eachDatabase(t, async (t, { options, env, postgres, publicUrl }) => {
  await migrateOnce({ ...options, pluginTables: pluginTables(auth) })
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: { ...env, BETTER_AUTH_URL: publicUrl, SESSION_CACHE_TTL: '600' },
    policy
  })
  const told = async (browser: Browser) => {
    const { headers } = (await browser.ask('/me')).json() as Echo
    const names = ['plan', 'credit-limit', 'paid-until', 'device', 'claimed-motto', 'motto']
    return Object.fromEntries(names.map((name) => [name, headers[`x-user-${name}`]]))
  }
  const nothing = { plan: 'free', 'credit-limit': undefined, 'paid-until': undefined, device: undefined }
  const all = { plan: lie, creditLimit: 1_000_000, paidUntil: '2099-01-01', device: lie }

  await t.test('not at sign-up, nor later, nor for a session', async (t) => {
    const eve = new Browser(gateway.url, gateway.publicUrl)
    const account = { email: 'eve@example.com', name: 'Eve', password }
    await eve.post('/api/auth/sign-up/email', { ...account, ...all, motto: 'mine' })
    if (eve.cookies.size === 0) await eve.post('/api/auth/sign-up/email', { ...account, plan: lie, motto: 'mine' })
    t.match(await told(eve), { ...nothing, 'claimed-motto': 'mine', motto: undefined })
    for (const [name, value] of Object.entries(all)) {
      await eve.post('/api/auth/update-user', { [name]: value })
      await eve.post('/api/auth/update-user', { name: 'Eve', [name]: value })
      await eve.post('/api/auth/update-session', { [name]: value })
    }
    await eve.post('/api/auth/sign-in/email', { email: account.email, password, ...all })
    t.match(await told(eve), { ...nothing, 'claimed-motto': 'mine' })
  })

  await t.test('not by what an identity provider says, at the first sign-in and at the next', async (t) => {
    const gil = new Browser(gateway.url, gateway.publicUrl)
    for (const _ of [1, 2]) {
      const body = { provider: 'google', idToken: { token: 'x', user: { plan: lie } }, additionalData: all }
      t.equal((await gil.post('/api/auth/sign-in/social', body)).status, 200)
      t.match(await told(gil), { ...nothing, 'claimed-motto': 'hi' })
    }
  })

  await t.test('not by a header', async (t) => {
    const mel = new Browser(gateway.url, gateway.publicUrl)
    await mel.signUp('mel')
    const names = ['X-User-Plan', 'x_user_plan', 'X-User-Credit.Limit', 'X-User-Claimed-Motto', 'X-User-Device']
    const lines = [`Host: ${new URL(gateway.publicUrl).host}`, `Cookie: ${mel.cookieHeader}`]
    const answer = await askRaw(gateway.port, 'GET /me HTTP/1.1', [...lines, ...names.map((name) => `${name}: ${lie}`)])
    const { rawHeaders } = answer.json() as Echo
    t.notOk(rawHeaders.includes(lie))
    t.same(
      rawHeaders.filter((_, i) => rawHeaders[i - 1]?.toLowerCase() === 'x-user-plan'),
      ['free']
    )
  })

  await t.test('what the application sets is told at once', async (t) => {
    if (postgres === undefined) return
    const pat = new Browser(gateway.url, gateway.publicUrl)
    await pat.signUp('pat')
    t.match(await told(pat), nothing)
    await postgres.query(
      `update "user" set plan = 'größer %', credit_limit = 7, paid_until = '2030-01-02T03:04:05Z', motto = repeat('x', 1025)
         where name = 'pat';
       update session set device = 'phone' where user_id = (select id from "user" where name = 'pat')`,
      options.url
    )
    const expected = {
      plan: 'gr%C3%B6%C3%9Fer%20%25',
      'credit-limit': '7',
      'paid-until': '2030-01-02T03:04:05.000Z',
      device: 'phone',
      'claimed-motto': undefined
    }
    const deadline = Date.now() + 10_000
    while ((await told(pat))['device'] !== 'phone' && Date.now() < deadline);
    t.match(await told(pat), expected)
  })
})
