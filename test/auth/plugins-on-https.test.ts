import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { apiKey } from '@better-auth/api-key'
import { oauthProvider } from '@better-auth/oauth-provider'
import { passkey } from '@better-auth/passkey'
import * as plugins from 'better-auth/plugins'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { type AuthApp, Device, startAuthApp } from '../support/auth-app.ts'

// Signing out with multi-session expired cookies under names that no browser has, and only on https, where the names have
// another prefix: no flow of a plugin had ever been run there.

const publicUrl = 'https://app.example.org'
const password = 'correct horse'

/** Somebody else's server for signing in by OAuth. */
async function startProvider(t: Test): Promise<string> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(
      request.url === '/token'
        ? JSON.stringify({ access_token: 'an-access-token', token_type: 'bearer', expires_in: 3600 })
        : JSON.stringify({ id: 'p-1', email: 'provided@example.org', email_verified: true, name: 'Provided' })
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const provider = await startProvider(t)
const oauth = plugins.genericOAuth({
  config: [
    {
      providerId: 'elsewhere',
      clientId: 'an-id',
      clientSecret: 'a secret',
      authorizationUrl: `${provider}/authorize`,
      tokenUrl: `${provider}/token`,
      userInfoUrl: `${provider}/user`
    }
  ]
})

/** The last code or token that was mailed or texted. */
let sent = ''
const keep = async (code: string) => {
  sent = code
}

const target = await startAuthApp(t, {
  publicUrl,
  extension: {
    plugins: [
      apiKey(),
      oauthProvider({ loginPage: '/auth/sign-in', consentPage: '/consent' }),
      passkey(),
      plugins.admin(),
      plugins.anonymous(),
      plugins.bearer(),
      plugins.customSession(async (session) => ({ ...session, custom: true })),
      plugins.deviceAuthorization(),
      plugins.emailOTP({ sendVerificationOTP: ({ otp }) => keep(otp) }),
      oauth,
      plugins.jwt(),
      plugins.lastLoginMethod(),
      plugins.magicLink({ sendMagicLink: ({ token }) => keep(token) }),
      plugins.oauthPopup(),
      plugins.oneTimeToken(),
      plugins.openAPI(),
      plugins.organization(),
      plugins.phoneNumber({
        sendOTP: ({ code }) => keep(code),
        signUpOnVerification: { getTempEmail: (number) => `${number.slice(1)}@example.org` }
      }),
      plugins.siwe({
        domain: 'app.example.org',
        getNonce: async () => 'nonce12345',
        verifyMessage: async ({ signature }) => signature === '0xsigned'
      }),
      plugins.twoFactor({ skipVerificationOnEnable: true, otpOptions: { sendOTP: ({ otp }) => keep(otp) } }),
      plugins.username()
    ]
  }
})

/** Somebody's browser, which notes every cookie that it is told to set. */
class Noting extends Device {
  readonly told: string[] = []

  override async fetch(path: string | URL, init: RequestInit = {}): Promise<Response> {
    const response = await super.fetch(path, init)
    this.told.push(...response.headers.getSetCookie())
    return response
  }

  /** Posts, and answers the body; fails where it is refused. */
  async submit(path: string, body: unknown): Promise<Record<string, unknown>> {
    const response = await this.post(path, body)
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
    return JSON.parse(text) as Record<string, unknown>
  }

  async whoAmI(): Promise<string | undefined> {
    const session = (await (await this.fetch('/get-session')).json()) as { user: { email: string } } | null
    return session?.user.email
  }

  /** The same browser at another address, where no limit on an address is met. */
  moved(): Noting {
    const other = new Noting(target)
    for (const [name, value] of this.cookies) other.cookies.set(name, value)
    return other
  }
}

const stateOf = (url: unknown) => new URL(String(url)).searchParams.get('state') ?? ''

async function signUp(device: Noting, name: string, more: object = {}): Promise<string> {
  const email = `${name}@example.org`
  const { user } = await device.submit('/sign-up/email', { email, password, name, ...more })
  return (user as { id: string }).id
}

// Each leaves its browser signed in.
const flows: Readonly<Record<string, (t: Test, device: Noting) => Promise<unknown>>> = {
  async admin(t, device) {
    const other = await signUp(new Noting(target), 'impersonated')
    await signUp(device, 'boss')
    await target.database.db.execute(`update "user" set role = 'admin' where email = 'boss@example.org'`)
    await device.submit('/admin/impersonate-user', { userId: other })
    t.equal(await device.whoAmI(), 'impersonated@example.org')
    await device.submit('/admin/stop-impersonating', {})
    t.equal(await device.whoAmI(), 'boss@example.org')
    t.notOk([...device.cookies.keys()].some((name) => name.includes('admin_session')))
  },
  async anonymous(t, device) {
    await device.submit('/sign-in/anonymous', {})
    t.match(await device.whoAmI(), /@/)
    await signUp(device, 'nobody-else')
  },
  async apiKey(t, device) {
    await signUp(device, 'program')
    t.match(await device.submit('/api-key/create', { name: 'nightly' }), { name: 'nightly' })
  },
  async bearer(t, device) {
    await signUp(device, 'bearer')
    const answer = await device.post('/sign-in/email', { email: 'bearer@example.org', password })
    const authorization = `Bearer ${answer.headers.get('set-auth-token')}`
    const session = await new Noting(target).fetch('/get-session', { headers: { authorization } })
    t.match(await session.json(), { user: { email: 'bearer@example.org' }, custom: true })
  },
  async deviceAuthorization(t, device) {
    await signUp(device, 'television')
    const television = new Noting(target)
    const code = await television.submit('/device/code', { client_id: 'tv' })
    await device.fetch(`/device?user_code=${code['user_code']}`)
    await device.submit('/device/approve', { userCode: code['user_code'] })
    const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', client_id: 'tv' }
    const given = await television.submit('/device/token', { ...grant, device_code: code['device_code'] })
    const headers = { authorization: `Bearer ${given['access_token']}` }
    t.match(await (await television.fetch('/get-session', { headers })).json(), { user: { name: 'television' } })
  },
  async emailOTP(_t, device) {
    const email = 'otp@example.org'
    await device.submit('/email-otp/send-verification-otp', { email, type: 'sign-in' })
    // The answer does not wait for the mail.
    await Promise.all(target.background)
    await device.submit('/sign-in/email-otp', { email, otp: sent })
  },
  async genericOAuth(t, device) {
    const { url } = await device.submit('/sign-in/social', { provider: 'elsewhere', callbackURL: '/home' })
    const back = await device.fetch(`/callback/elsewhere?code=c&state=${stateOf(url)}`)
    t.equal(back.headers.get('location'), '/home')
  },
  async jwt(t, device) {
    await signUp(device, 'jwt')
    t.match(await (await device.fetch('/token')).json(), { token: /^ey/ })
  },
  async lastLoginMethod(t, device) {
    await signUp(device, 'again')
    // What its client looks for in `document.cookie`, on every origin.
    t.equal(device.cookies.get('better-auth.last_used_login_method'), 'email')
  },
  async magicLink(_t, device) {
    await device.submit('/sign-in/magic-link', { email: 'magic@example.org', name: 'Magic' })
    await device.fetch(`/magic-link/verify?token=${sent}`)
  },
  async oauthPopup(t, device) {
    const query = `provider=elsewhere&popupOrigin=${publicUrl}&popupNonce=n`
    const start = await device.fetch(`/oauth-popup/start?${query}`)
    const back = await device.fetch(`/callback/elsewhere?code=c&state=${stateOf(start.headers.get('location'))}`)
    t.match(await back.text(), /"token"/)
  },
  async oauthProvider(t, device) {
    await signUp(device, 'customer')
    // `fetch` says that it is no page load.
    const { headers, body } = await request(`${target.address}/api/auth/oauth2/end-session`, {
      headers: { cookie: device.cookieHeader, accept: 'text/html', 'x-forwarded-for': device.ip }
    })
    t.match(await body.text(), /Confirm logout/)
    const [cookie = ''] = [headers['set-cookie'] ?? []].flat()
    t.match(cookie, /logout_confirmation=/, 'what it asked is in a cookie')
    device.told.push(cookie)
  },
  async oneTimeToken(_t, device) {
    const other = new Noting(target)
    await signUp(other, 'handed-over')
    const { token } = (await (await other.fetch('/one-time-token/generate')).json()) as { token: string }
    await device.submit('/one-time-token/verify', { token })
  },
  async openAPI(t, device) {
    await signUp(device, 'reader')
    t.equal((await device.fetch('/open-api/generate-schema')).status, 200)
  },
  async organization(_t, device) {
    await signUp(device, 'member')
    const { id } = await device.submit('/organization/create', { name: 'One', slug: 'one' })
    await device.submit('/organization/set-active', { organizationId: id })
  },
  async passkey(t, device) {
    await signUp(device, 'keeper')
    t.equal((await device.fetch('/passkey/generate-register-options')).status, 200)
    t.ok(
      [...device.cookies.keys()].some((name) => name.includes('passkey')),
      'its challenge is in a cookie'
    )
  },
  async phoneNumber(_t, device) {
    const phoneNumber = '+491701234567'
    await device.submit('/phone-number/send-otp', { phoneNumber })
    await device.submit('/phone-number/verify', { phoneNumber, code: sent })
  },
  async siwe(_t, device) {
    const { nonce } = await device.submit('/siwe/nonce', {})
    const message = `app.example.org wants you to sign in with your Ethereum account:
0x000000000000000000000000000000000000dEaD


URI: ${publicUrl}
Version: 1
Chain ID: 1
Nonce: ${nonce}
Issued At: ${new Date().toISOString()}`
    await device.submit('/siwe/verify', { message, signature: '0xsigned' })
  },
  async twoFactor(t, device) {
    await signUp(device, 'careful')
    await device.submit('/two-factor/enable', { password })
    await device.submit('/sign-out', {})
    const email = 'careful@example.org'
    t.match(await device.submit('/sign-in/email', { email, password }), { twoFactorRedirect: true })
    t.equal(await device.whoAmI(), undefined)
    await device.submit('/two-factor/send-otp', {})
    await device.submit('/two-factor/verify-otp', { code: sent, trustDevice: true })
    t.equal(await device.whoAmI(), email)
    await device.submit('/sign-out', {})
    t.equal('twoFactorRedirect' in (await device.submit('/sign-in/email', { email, password })), false, 'it is trusted')
  },
  async username(_t, device) {
    await signUp(device, 'named', { username: 'named' })
    await device.submit('/sign-out', {})
    await device.submit('/sign-in/username', { username: 'named', password })
  }
}

// These have no cookie of their own and ask a server that is not ours: captcha, haveIBeenPwned, oneTap.
for (const [name, flow] of Object.entries(flows)) {
  t.test(`${name} signs in, and out again, on https`, async (t) => {
    const device = new Noting(target)
    await flow(t, device)
    t.ok(await device.whoAmI(), 'somebody is signed in')
    const last = device.moved()
    await last.submit('/sign-out', {})
    areBrowserProof(t, [...device.told, ...last.told])
    const left = [...last.cookies.keys()].filter((each) => !/trust_device|last_used_login_method|passkey/.test(each))
    t.same(left, [], 'and nothing is left but what is not of a session')
  })
}

/** Whether a browser keeps each of these cookies, and gives it to nobody else. */
function areBrowserProof(t: Test, told: readonly string[]): void {
  t.ok(told.length > 0)
  for (const cookie of told) {
    const name = cookie.slice(0, cookie.indexOf('='))
    t.match(cookie, /; Path=\/(;|$)/, name)
    t.match(cookie, /; Secure(;|$)/, name)
    t.notMatch(cookie, /domain=/i, name)
    // Scripts read this one.
    if (name === 'better-auth.last_used_login_method') continue
    t.match(cookie, /^__Host-better-auth\.[\w.-]+=/)
    t.match(cookie, /; HttpOnly(;|$)/, name)
  }
}

t.test('oAuthProxy brings a sign-in that ended on another origin back', async (t) => {
  const preview = await startAuthApp(t, {
    publicUrl,
    extension: { plugins: [oauth, plugins.oAuthProxy({ productionURL: 'https://production.example.org' })] }
  })
  const device = new Device(preview)
  const begun = await device.post('/sign-in/social', { provider: 'elsewhere', callbackURL: '/home' })
  const { url } = (await begun.json()) as { url: string }
  t.equal(new URL(url).searchParams.get('redirect_uri'), 'https://production.example.org/api/auth/callback/elsewhere')
  const there = await device.fetch(`/callback/elsewhere?code=c&state=${encodeURIComponent(stateOf(url))}`)
  const back = new URL(there.headers.get('location') ?? '')
  t.equal(back.origin, publicUrl)
  const answer = await device.fetch(back)
  t.equal(answer.headers.get('location'), '/home')
  areBrowserProof(t, answer.headers.getSetCookie())
  t.match(await (await device.fetch('/get-session')).json(), { user: { email: 'provided@example.org' } })
})

for (const origin of ['http://localhost:8080', publicUrl]) {
  t.test(
    `multiSession on ${origin}: six times in and out leave nothing, and two accounts can be switched`,
    async (t) => {
      const app = await startAuthApp(t, { publicUrl: origin, extension: { plugins: [plugins.multiSession()] } })
      const people = ['a', 'b'] as const
      for (const name of people) await new Device(app).signUp(`${name}@example.org`)
      let device = new Device(app)
      const ask = async (path: string, body?: object) => {
        device = elsewhere(app, device)
        const answer = body === undefined ? await device.fetch(path) : await device.post(path, body)
        t.equal(answer.status, 200, path)
        return answer.json()
      }
      for (let n = 0; n < 6; n++) {
        await ask('/sign-in/email', { email: 'a@example.org', password })
        await ask('/sign-out', {})
        t.same([...device.cookies.keys()], [], 'signed out')
      }
      for (const name of people) await ask('/sign-in/email', { email: `${name}@example.org`, password })
      const listed = (await ask('/multi-session/list-device-sessions')) as {
        session: { token: string }
        user: { email: string }
      }[]
      t.same(listed.map(({ user }) => user.email).toSorted(), ['a@example.org', 'b@example.org'])
      const first = listed.find(({ user }) => user.email === 'a@example.org')?.session.token
      await ask('/multi-session/set-active', { sessionToken: first })
      t.match(await ask('/get-session'), { user: { email: 'a@example.org' } })
      await ask('/multi-session/revoke', { sessionToken: first })
      t.match(await ask('/get-session'), { user: { email: 'b@example.org' } })
      t.equal([...device.cookies.keys()].filter((name) => name.includes('_multi-')).length, 1)
      await ask('/sign-out', {})
      t.same([...device.cookies.keys()], [])
    }
  )
}

function elsewhere(app: AuthApp, { cookies }: Device): Device {
  const other = new Device(app)
  for (const [name, value] of cookies) other.cookies.set(name, value)
  return other
}
