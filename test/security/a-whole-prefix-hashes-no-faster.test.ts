import { createHash } from 'node:crypto'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthEndpoint } from 'better-auth/api'
import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

// A /64 is one address to the limits, and any customer can have a /48: 65,536 of them, each with three sign-ins in ten seconds.

const digest = async (password: string) => createHash('sha256').update(password).digest('hex')
let hashed = 0
const fastHash = {
  hash: (password: string) => {
    hashed += 1
    return digest(password)
  },
  verify: async ({ hash, password }: { hash: string; password: string }) => {
    hashed += 1
    return hash === (await digest(password))
  }
}

/** A plugin that is handed a password under a name of its own. */
const phrase: BetterAuthPlugin = {
  id: 'phrase',
  endpoints: {
    tryPhrase: createAuthEndpoint('/phrase/try', { method: 'POST' }, async (context) =>
      context.json({ hash: await context.context.password.hash(String(context.body?.phrase)) })
    )
  }
}

const links = new Map<string, string>()
const extension = {
  plugins: [phrase],
  sendResetPassword: async ({ user, token }: { user: { email: string }; token: string }) => {
    links.set(user.email, token)
  },
  emailAndPassword: { password: fastHash }
}
const few = { passwordsPerSite: { points: 6, seconds: 3_600 } }
let networks = 0
/** An address in a /64 of the /48 that nobody has used yet. */
const inSite = (site: string) => `${site}:${(++networks).toString(16)}::1`

t.test('whoever has a /48 has thirty passwords hashed in ten seconds', async (t) => {
  const target = await startAuthApp(t, { extension })
  hashed = 0
  const guess = { email: 'nobody@example.org', password: 'not the password' }
  const answers = await Promise.all(
    Array.from({ length: 90 }, () => new Device(target, inSite('2001:db8:1')).post('/sign-in/email', guess))
  )
  const refused = answers.filter(({ status }) => status === 429)
  t.equal(refused.length, 60)
  t.equal(hashed, 30)
  for (const response of refused) t.ok(Number(response.headers.get('retry-after')) <= 10)
  t.equal((await new Device(target, inSite('2001:db8:2')).post('/sign-in/email', guess)).status, 401, 'another /48 may')
  t.equal((await new Device(target).post('/sign-in/email', guess)).status, 401, 'IPv4 may')
  t.equal((await new Device(target, inSite('2001:db8:1')).fetch('/get-session')).status, 200, 'what hashes nothing may')
})

for (const publicUrl of ['http://localhost:8080', 'https://app.example.org'])
  t.test(`all that hashes a password has one count on ${publicUrl}`, async (t) => {
    const target = await startAuthApp(t, { publicUrl, extension, limits: few })
    const ada = new Device(target)
    await ada.signUp('ada@example.org')
    const cookie = ada.cookieHeader
    await ada.post('/request-password-reset', { email: 'ada@example.org' })
    await Promise.all(target.background)
    const token = links.get('ada@example.org') ?? ''
    const site = '2001:db8:3'
    for (let n = 0; n < 6; n++)
      await new Device(target, inSite(site)).post('/sign-in/email', {
        email: `n${n}@example.org`,
        password: 'wrong one'
      })
    hashed = 0
    const ways: [string, object][] = [
      ['/sign-in/email', { email: 'ada@example.org', password: 'correct horse' }],
      ['/sign-up/email', { email: 'new@example.org', name: 'N', password: 'correct horse' }],
      ['/change-password', { currentPassword: 'correct horse', newPassword: 'another horse' }],
      ['/verify-password', { password: 'correct horse' }],
      ['/delete-user', { password: 'correct horse' }],
      ['/reset-password', { token, newPassword: 'another horse' }],
      ['/phrase/try', { phrase: 'correct horse' }]
    ]
    for (const [path, body] of ways) {
      const response = await new Device(target, inSite(site)).post(path, body, { cookie })
      t.equal(response.status, 429, path)
      t.match(await response.json(), { code: 'RATE_LIMITED' })
    }
    t.equal(hashed, 0)
    const reset = await new Device(target).post('/reset-password', { token, newPassword: 'another horse' })
    t.equal(reset.status, 200, 'a mailed link was not used up by the refusal')
  })

t.test('the policy gives the whole of it ten times what it gives one network', async (t) => {
  const target = await startAuthApp(t, {
    extension,
    limits: few,
    rateLimits: { '/api/auth/sign-in/email': { requests: 2, window: 3_600 } }
  })
  const guess = { email: 'nobody@example.org', password: 'not the password' }
  const statuses: number[] = []
  for (let n = 0; n < 22; n++)
    statuses.push((await new Device(target, inSite('2001:db8:4')).post('/sign-in/email', guess)).status)
  t.same(statuses, [...Array(20).fill(401), 429, 429])
})

t.test('wrong tokens have one count for all of it too', async (t) => {
  const target = await startAuthApp(t, { limits: { failedTokensPerSite: { points: 4, seconds: 3_600 } } })
  const statuses: number[] = []
  for (let n = 0; n < 5; n++) {
    const device = new Device(target, inSite('2001:db8:5'))
    statuses.push((await device.fetch(`/verify-email?token=made-up-${n}`)).status)
  }
  t.same(statuses, [...Array(4).fill(401), 429])
})

t.test('the built-in pages count with it', async (t) => {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
  const began = Date.now()
  const form = new URLSearchParams({ email: 'nobody@example.org', password: 'not the password' }).toString()
  const statuses = await Promise.all(
    Array.from({ length: 45 }, async () => {
      const headers = {
        'content-type': 'application/x-www-form-urlencoded',
        origin: gateway.publicUrl,
        'x-forwarded-for': inSite('2001:db8:6')
      }
      const init = { method: 'POST', headers, body: form, redirect: 'manual' } as const
      return (await fetch(`${gateway.url}/auth/sign-in`, init)).text()
    })
  )
  const refused = statuses.filter((page) => /too many attempts/i.test(page)).length
  if (Date.now() - began < 9_000) t.equal(refused, 15)
  else t.ok(refused > 0)
})
