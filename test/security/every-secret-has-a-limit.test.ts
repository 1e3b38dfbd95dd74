import { betterAuth } from 'better-auth/minimal'
import * as plugins from 'better-auth/plugins'
import t, { type Test } from 'tap'
import { type Account, accountOf, secretEndpoints } from '../../auth/secret-endpoints.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'

// Guesses at a password were limited where one signs in, and answered without a limit where one is asked for it again.

const quiet = async () => {}

/** Every plugin of `better-auth/plugins`, with all of its endpoints switched on. */
const everyPlugin = {
  admin: plugins.admin(),
  anonymous: plugins.anonymous(),
  bearer: plugins.bearer(),
  captcha: plugins.captcha({ provider: 'cloudflare-turnstile', secretKey: 'x' }),
  customSession: plugins.customSession(async (session) => session),
  deviceAuthorization: plugins.deviceAuthorization(),
  emailOTP: plugins.emailOTP({ sendVerificationOTP: quiet, changeEmail: { enabled: true } }),
  genericOAuth: plugins.genericOAuth({ config: [] }),
  haveIBeenPwned: plugins.haveIBeenPwned(),
  jwt: plugins.jwt(),
  lastLoginMethod: plugins.lastLoginMethod(),
  magicLink: plugins.magicLink({ sendMagicLink: quiet }),
  multiSession: plugins.multiSession(),
  oAuthProxy: plugins.oAuthProxy(),
  oauthPopup: plugins.oauthPopup(),
  oneTap: plugins.oneTap(),
  oneTimeToken: plugins.oneTimeToken(),
  openAPI: plugins.openAPI(),
  organization: plugins.organization({
    teams: { enabled: true },
    dynamicAccessControl: { enabled: true },
    ac: plugins.createAccessControl({ organization: ['update'] })
  }),
  phoneNumber: plugins.phoneNumber({ sendOTP: quiet }),
  siwe: plugins.siwe({ domain: 'x', getNonce: async () => 'nonce', verifyMessage: async () => true }),
  twoFactor: plugins.twoFactor(),
  username: plugins.username()
}
const noPlugins = [
  ...['auth0', 'gumroad', 'hubspot', 'keycloak', 'line', 'microsoftEntraId', 'okta', 'patreon', 'slack', 'yandex'],
  ...['createAccessControl', 'createJwk', 'generateExportedKeyPair', 'getJwtToken', 'getOrgAdapter', 'hasPermission'],
  ...['isPasswordCompromised', 'parseRoles', 'redeemDeviceCode', 'resolveSigningKey', 'role', 'signJWT', 'toExpJWT'],
  ...['twoFactorClient', 'verifyJWT'],
  // For tests: it makes sessions for whoever is named.
  'testUtils'
]

/** Every other path that judges no secret. What signs in by another server's signature is one: nobody guesses a signature. */
const withoutSecret = [
  ...['/account-info', '/callback/:id', '/change-email', '/error', '/get-access-token', '/get-session'],
  ...['/link-social', '/list-accounts', '/list-sessions', '/ok', '/refresh-token', '/request-password-reset'],
  ...['/revoke-other-sessions', '/revoke-session', '/revoke-sessions', '/send-verification-email'],
  ...['/sign-in/social', '/sign-out', '/sign-up/email', '/unlink-account', '/update-session', '/update-user'],
  // admin: whoever may use it needs no secret of the user's.
  ...['/admin/ban-user', '/admin/create-user', '/admin/get-user', '/admin/has-permission'],
  ...['/admin/impersonate-user', '/admin/list-user-sessions', '/admin/list-users', '/admin/remove-user'],
  ...['/admin/revoke-user-session', '/admin/revoke-user-sessions', '/admin/set-role'],
  ...['/admin/set-user-password', '/admin/stop-impersonating', '/admin/unban-user', '/admin/update-user'],
  // anonymous
  ...['/delete-anonymous-user', '/sign-in/anonymous'],
  // device-authorization
  '/device/code',
  // email-otp
  ...['/email-otp/request-password-reset', '/email-otp/send-verification-otp', '/forget-password/email-otp'],
  // jwt
  ...['/jwks', '/token'],
  // magic-link
  '/sign-in/magic-link',
  // multi-session
  ...['/multi-session/list-device-sessions', '/multi-session/revoke', '/multi-session/set-active'],
  // oauth-popup, oauth-proxy, one-tap
  ...['/callback/:id/oauth-proxy', '/oauth-popup/start', '/oauth-proxy-callback', '/one-tap/callback'],
  // one-time-token
  '/one-time-token/generate',
  // open-api
  ...['/open-api/generate-schema', '/reference'],
  // organization: an invitation is for the address that it names, and its id alone opens nothing.
  ...['/organization/accept-invitation', '/organization/add-team-member', '/organization/cancel-invitation'],
  ...['/organization/check-slug', '/organization/create', '/organization/create-role'],
  ...['/organization/create-team', '/organization/delete', '/organization/delete-role'],
  ...['/organization/get-active-member', '/organization/get-active-member-role'],
  ...['/organization/get-full-organization', '/organization/get-invitation', '/organization/get-organization'],
  ...['/organization/get-role', '/organization/has-permission', '/organization/invite-member'],
  ...['/organization/leave', '/organization/list', '/organization/list-invitations'],
  ...['/organization/list-members', '/organization/list-roles', '/organization/list-team-members'],
  ...['/organization/list-teams', '/organization/list-user-invitations', '/organization/list-user-teams'],
  ...['/organization/reject-invitation', '/organization/remove-member', '/organization/remove-team'],
  ...['/organization/remove-team-member', '/organization/set-active', '/organization/set-active-team'],
  ...['/organization/update', '/organization/update-member-role', '/organization/update-role'],
  '/organization/update-team',
  // phone-number
  ...['/phone-number/request-password-reset', '/phone-number/send-otp'],
  // siwe
  ...['/siwe/get-nonce', '/siwe/nonce', '/siwe/verify'],
  // two-factor
  '/two-factor/send-otp',
  // username
  '/is-username-available'
]

t.test('whatever can be asked of BetterAuth and of its plugins is classified', async (t) => {
  const functions = Object.entries(plugins).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []))
  t.same(functions.toSorted(), [...Object.keys(everyPlugin), ...noPlugins].toSorted(), 'this test knows every plugin')

  const auth = betterAuth({
    baseURL: 'http://localhost',
    secret: 'the secret of this test, which is long enough',
    plugins: Object.values(everyPlugin)
  })
  // Those without a path are functions for the operator's own code.
  const paths = Object.values(auth.api).flatMap(({ path }: { path?: string }) => (path === undefined ? [] : [path]))
  t.same(new Set(paths.toSorted()), new Set([...Object.keys(secretEndpoints), ...withoutSecret].toSorted()))
  t.ok(paths.length > 120)
})

interface World {
  readonly device: Device
  readonly email: string
  readonly phoneNumber: string
}

interface Guess {
  readonly method?: 'GET'
  readonly path?: string
  readonly body?: Record<string, unknown>
}

const password = 'correct horse'
const wrongPassword: Guess = { body: { password: 'a wild guess' } }
const wrongCode: Guess = { body: { code: '000000' } }

/** A wrong secret for each path that judges one. */
const guesses: Readonly<Record<string, (world: World) => Guess>> = {
  '/change-password': () => ({ body: { currentPassword: 'a wild guess', newPassword: 'battery staple' } }),
  '/delete-user': () => wrongPassword,
  '/delete-user/callback': () => ({ method: 'GET', path: '/delete-user/callback?token=wrong' }),
  '/device': () => ({ method: 'GET', path: '/device?user_code=ABCDEFGH' }),
  '/device/approve': () => ({ body: { userCode: 'ABCDEFGH' } }),
  '/device/deny': () => ({ body: { userCode: 'ABCDEFGH' } }),
  '/device/token': () => ({
    body: { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: 'wrong', client_id: 'tv' }
  }),
  '/email-otp/change-email': () => ({ body: { newEmail: 'new@example.org', otp: '000000' } }),
  '/email-otp/check-verification-otp': ({ email }) => ({ body: { email, type: 'email-verification', otp: '000000' } }),
  '/email-otp/request-email-change': () => ({ body: { newEmail: 'new@example.org', otp: '000000' } }),
  '/email-otp/reset-password': ({ email }) => ({ body: { email, otp: '000000', password: 'battery staple' } }),
  '/email-otp/verify-email': ({ email }) => ({ body: { email, otp: '000000' } }),
  '/magic-link/verify': () => ({ method: 'GET', path: '/magic-link/verify?token=wrong' }),
  '/one-time-token/verify': () => ({ body: { token: 'wrong' } }),
  '/phone-number/reset-password': ({ phoneNumber }) => ({
    body: { phoneNumber, otp: '000000', newPassword: 'battery staple' }
  }),
  '/phone-number/verify': ({ phoneNumber }) => ({ body: { phoneNumber, code: '000000' } }),
  '/reset-password': () => ({ body: { token: 'wrong', newPassword: 'battery staple' } }),
  '/reset-password/:token': () => ({ method: 'GET', path: '/reset-password/wrong?callbackURL=%2F' }),
  '/sign-in/email': ({ email }) => ({ body: { email, password: 'a wild guess' } }),
  '/sign-in/email-otp': ({ email }) => ({ body: { email, otp: '000000' } }),
  '/sign-in/phone-number': ({ phoneNumber }) => ({ body: { phoneNumber, password: 'a wild guess' } }),
  '/sign-in/username': ({ email }) => ({ body: { username: email.split('@')[0], password: 'a wild guess' } }),
  '/two-factor/disable': () => wrongPassword,
  '/two-factor/enable': () => wrongPassword,
  '/two-factor/generate-backup-codes': () => wrongPassword,
  '/two-factor/get-totp-uri': () => wrongPassword,
  '/two-factor/verify-backup-code': () => wrongCode,
  '/two-factor/verify-otp': () => wrongCode,
  '/two-factor/verify-totp': () => wrongCode,
  '/verify-email': () => ({ method: 'GET', path: '/verify-email?token=wrong' }),
  '/verify-password': () => wrongPassword
}
const judging = Object.keys(secretEndpoints)
// Longer than any window of BetterAuth's own, so that one can tell by the wait whose limit it is.
const seconds = 7_200
let hashed = 0

const target = await startAuthApp(t, {
  limits: {
    failedSignInsPerAddress: { points: 2, seconds },
    failedSignIns: { points: 4, seconds },
    failedTokens: { points: 2, seconds }
  },
  extension: {
    emailAndPassword: {
      password: {
        hash: async (given) => given,
        verify: async ({ hash, password: given }) => {
          hashed++
          return hash === given
        }
      }
    },
    plugins: [
      plugins.bearer(),
      plugins.deviceAuthorization(),
      plugins.emailOTP({ sendVerificationOTP: quiet, changeEmail: { enabled: true, verifyCurrentEmail: true } }),
      plugins.magicLink({ sendMagicLink: quiet }),
      plugins.oneTimeToken(),
      plugins.phoneNumber({ sendOTP: quiet, sendPasswordResetOTP: quiet }),
      plugins.twoFactor({ skipVerificationOnEnable: true, otpOptions: { sendOTP: quiet } }),
      plugins.username()
    ]
  }
})

let users = 0

/** Somebody new with a session, from an address of their own. */
async function somebody(): Promise<World> {
  users++
  const [email, phoneNumber] = [`user${users}@example.org`, `+49170${1_000_000 + users}`]
  const device = new Device(target)
  const made = { email, password, name: 'Ada', username: `user${users}` }
  if (!(await device.post('/sign-up/email', made)).ok) throw new Error('sign-up failed')
  const { db } = target.database
  await db.execute(`update "user" set phone_number = '${phoneNumber}' where email = '${email}'`)
  return { device, email, phoneNumber }
}

function ask(device: Device, path: string, { method, path: asked = path, body }: Guess): Promise<Response> {
  return method === 'GET' ? device.fetch(asked) : device.post(asked, body)
}

async function isLimited(t: Test, response: Response, what: string): Promise<void> {
  t.equal(response.status, 429, what)
  t.match(await response.json(), { code: 'RATE_LIMITED' }, what)
  t.ok(Number(response.headers.get('retry-after')) > seconds / 2, `${what}: by the count of failures`)
}

t.test('wrong secrets are counted wherever one is judged', async (t) => {
  t.same(Object.keys(guesses).toSorted(), judging.toSorted(), 'this test guesses at every one')
  for (const path of judging) {
    await t.test(path, async (t) => {
      const world = await somebody()
      const { device } = world
      const account: Account | undefined = accountOf(path)
      if (path.startsWith('/two-factor/') && path !== '/two-factor/enable') {
        t.equal((await device.post('/two-factor/enable', { password })).status, 200)
        if (account === 'pending') {
          device.cookies.clear()
          await new Device(target, device.ip).post('/sign-in/email', { email: world.email, password })
          t.match(await (await device.post('/sign-in/email', { email: world.email, password })).json(), {
            twoFactorRedirect: true
          })
          t.equal((await device.post('/two-factor/send-otp', {})).status, 200)
        }
      }
      const guess = guesses[path]?.(world) ?? {}
      // Each from the address that the limit is for, but for BetterAuth's own limits on an address.
      for (let n = 0; n < 2; n++) t.not((await ask(device, path, guess)).status, 429)
      const before = hashed
      await isLimited(t, await ask(device, path, guess), 'the third')
      t.equal(hashed, before, 'and no password was looked at')

      const elsewhere = new Device(target)
      for (const [name, value] of device.cookies) elsewhere.cookies.set(name, value)
      t.not((await ask(elsewhere, path, guess)).status, 429, 'from another address')
      if (account === 'nobody') return
      t.not((await ask(elsewhere, path, guess)).status, 429)
      const third = new Device(target)
      for (const [name, value] of device.cookies) third.cookies.set(name, value)
      await isLimited(t, await ask(third, path, guess), 'and in all')
    })
  }
})

t.test('a right secret is not counted, and not looked at once there were too many wrong ones', async (t) => {
  const { device } = await somebody()
  const from = () => {
    const other = new Device(target, '10.77.0.1')
    for (const [name, value] of device.cookies) other.cookies.set(name, value)
    return other
  }
  t.equal((await from().post('/verify-password', { password })).status, 200)
  t.equal((await from().post('/verify-password', { password: 'no' })).status, 400)
  t.equal((await from().post('/two-factor/enable', { password: 'no' })).status, 400)
  const before = hashed
  await isLimited(t, await from().post('/verify-password', { password }), 'the right one')
  t.equal(hashed, before)
})

t.test('a password has one count, wherever it is guessed at', async (t) => {
  const { device, email } = await somebody()
  for (const path of ['/verify-password', '/delete-user'])
    t.equal((await device.post(path, { password: 'no' })).status, 400)
  const signedOut = new Device(target, device.ip)
  await isLimited(t, await signedOut.post('/sign-in/email', { email, password }), 'signing in')
})

t.test('whoever is signed in by a bearer token is counted too', async (t) => {
  const { device } = await somebody()
  const listed = (await (await device.fetch('/list-sessions')).json()) as { token: string }[]
  const headers = { authorization: `Bearer ${listed[0]?.token}` }
  const guest = new Device(target)
  const guess = { password: 'no' }
  for (let n = 0; n < 2; n++) t.equal((await guest.post('/verify-password', guess, headers)).status, 400)
  await isLimited(t, await guest.post('/verify-password', guess, headers), 'the third')
})
