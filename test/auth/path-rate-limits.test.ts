import { createHmac } from 'node:crypto'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthEndpoint } from 'better-auth/api'
import t from 'tap'
import { pluginRateLimitProblems, rateLimitProblems } from '../../auth/path-rate-limits.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'

const signingSecret = 'whsec_of_these_tests'
const signatureOf = (body: Uint8Array) => createHmac('sha256', signingSecret).update(body).digest('hex')

/** A webhook as the Stripe plugin has it: it verifies a signature over the body's bytes and reads them itself. */
const paid: BetterAuthPlugin = {
  id: 'paid',
  endpoints: {
    webhook: createAuthEndpoint(
      '/paid/webhook',
      { method: 'POST', cloneRequest: true, disableBody: true },
      async (context) => {
        const bytes = new Uint8Array((await context.request?.arrayBuffer()) ?? new ArrayBuffer(0))
        const isRight = signatureOf(bytes) === context.headers?.get('paid-signature')
        return context.json({ received: isRight, bytes: bytes.length }, isRight ? {} : { status: 400 })
      }
    )
  }
}
const webhook = '/api/auth/paid/webhook'

function deliver(device: Device, body: Buffer, path = '/paid/webhook', type = 'application/json'): Promise<Response> {
  const headers = { 'content-type': type, 'paid-signature': signatureOf(body) }
  return device.fetch(path, { method: 'POST', headers, body })
}

/** How many of so many deliveries at once, fifty at a time, were answered with each status. */
async function deliverMany(device: Device, many: number, path?: string): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {}
  for (let sent = 0; sent < many; sent += 50) {
    const some = Array.from({ length: Math.min(50, many - sent) }, (_, n) =>
      deliver(device, Buffer.from(`{"n":${sent + n}}`), path)
    )
    for (const response of await Promise.all(some)) {
      await response.arrayBuffer()
      statuses[response.status] = (statuses[response.status] ?? 0) + 1
    }
  }
  return statuses
}

for (const publicUrl of ['http://localhost:8080', 'https://app.example.org'])
  t.test(`a webhook below /api/auth on ${publicUrl}`, async (t) => {
    const extension = { plugins: [paid] }
    const rateLimits = { [webhook]: { requests: 5_000, window: 10 } }
    const target = await startAuthApp(t, { publicUrl, extension, rateLimits, bodies: { [webhook]: 1_048_576 } })

    t.test('is handed the bytes that were signed', async (t) => {
      const bodies = [
        Buffer.from('{"id":"evt_1",\r\n  "amount" : 1.10, "name":"J\\u00fcrgen", "name":"twice"}\n\n'),
        Buffer.from('\ufeff{"id":"evt_2"}'),
        Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x0d, 0x0a, 0x7d]),
        Buffer.from(`{"data":"${'x'.repeat(300_000)}"}`),
        Buffer.from('')
      ]
      for (const type of [
        'application/json',
        'application/json; charset=utf-8',
        'application/x-www-form-urlencoded',
        'text/plain'
      ])
        for (const body of bodies) {
          const response = await deliver(new Device(target), body, undefined, type)
          t.same(await response.json(), { received: true, bytes: body.length }, `${type}, ${body.length} bytes`)
        }
    })

    t.test('can be called more often than everything else together', async (t) => {
      t.same(await deliverMany(new Device(target), 1_300), { 200: 1_300 })
    })

    t.test('takes nothing from what its address has for the rest', async (t) => {
      const device = new Device(target)
      await deliverMany(device, 1_000)
      t.equal((await device.fetch('/get-session')).status, 200)
    })

    t.test('has its limit whatever the query says, and no other path has it', async (t) => {
      t.same(await deliverMany(new Device(target), 150, '/paid/webhook?x=1'), { 200: 150 })
      const other = await deliverMany(new Device(target), 150, '/paid/webhooks')
      t.ok((other[429] ?? 0) >= 40, 'the others have 100')
    })
  })

t.test('without a limit of its own a webhook has that of every path', async (t) => {
  const target = await startAuthApp(t, { extension: { plugins: [paid] } })
  const { 200: served = 0, 429: refused = 0 } = await deliverMany(new Device(target), 150)
  t.ok(refused >= 40 && served >= 100, `${served} served, ${refused} refused`)
})

t.test('a limit can be lower, and one for many paths is one count', async (t) => {
  const target = await startAuthApp(t, {
    extension: { plugins: [paid] },
    rateLimits: {
      '/api/auth/paid/*': { requests: 20, window: 3_600 },
      '/api/auth/sign-in/*': { requests: 2, window: 3_600 },
      '/api/auth/sign-up/*': { requests: 50, window: 10 }
    }
  })
  const device = new Device(target)
  t.same(await deliverMany(device, 15), { 200: 15 })
  t.same(await deliverMany(device, 15, '/paid/made-up'), { 404: 5, 429: 10 })
  t.equal((await device.fetch('/get-session')).status, 200)
  const nobody = { email: 'nobody@example.org', password: 'not the password' }
  const statuses: number[] = []
  for (let n = 0; n < 3; n++) statuses.push((await device.post('/sign-in/email', nobody)).status)
  t.same(statuses, [401, 401, 429])
  const refused = await device.post('/sign-in/email', nobody)
  t.match(await refused.json(), { code: 'RATE_LIMITED' })
  t.ok(Number(refused.headers.get('retry-after')) > 60)
  const made: number[] = []
  for (let n = 0; n < 4; n++) made.push((await device.post('/sign-up/email', {})).status)
  t.same(made, [400, 400, 400, 429], 'one for many paths raises none of those that are guarded')
})

t.test('an address may be given more sign-ins, an account no more failures', async (t) => {
  const target = await startAuthApp(t, {
    rateLimits: {
      '/api/auth/sign-in/email': { requests: 100, window: 10 },
      '/api/auth/verify-password': { failures: { perAddress: 2 } }
    }
  })
  const device = new Device(target)
  await device.signUp('ada@example.org')
  const guess = { email: 'ada@example.org', password: 'not the password' }
  const statuses: number[] = []
  for (let n = 0; n < 12; n++) statuses.push((await device.post('/sign-in/email', guess)).status)
  t.same(statuses, [...Array(10).fill(401), 429, 429])

  t.test('and fewer failures where one asks for it', async (t) => {
    const other = new Device(target)
    await other.signUp('bob@example.org')
    const tries: number[] = []
    for (let n = 0; n < 3; n++) tries.push((await other.post('/verify-password', { password: 'wrong one' })).status)
    t.same(tries, [400, 400, 429])
    const elsewhere = new Device(target, other.ip)
    const signIn = { email: 'bob@example.org', password: 'wrong one' }
    const more: number[] = []
    for (let n = 0; n < 9; n++) more.push((await elsewhere.post('/sign-in/email', signIn)).status)
    t.same(more, [...Array(8).fill(401), 429], 'the two count among the ten of the account')
  })
})

t.test('limits move with BetterAuth', async (t) => {
  const moved = '/identity/paid/webhook'
  const extension = { plugins: [paid], basePath: '/identity' }
  const target = await startAuthApp(t, { extension, rateLimits: { [moved]: { requests: 2, window: 3_600 } } })
  const device = new Device(target)
  const statuses: number[] = []
  for (let n = 0; n < 3; n++) {
    const body = Buffer.from(String(n))
    const headers = { 'content-type': 'text/plain', 'paid-signature': signatureOf(body) }
    statuses.push((await device.fetch(new URL(moved, target.publicUrl), { method: 'POST', headers, body })).status)
  }
  t.same(statuses, [200, 200, 429])
  t.match(rateLimitProblems({ [webhook]: { requests: 1, window: 1 } }, '/identity'), [
    /must be a path below \/identity/
  ])
  t.match(rateLimitProblems({ '/identity/sign-in/email': { requests: 101, window: 10 } }, '/identity'), [/at most 100/])
})

t.test('what may be written', async (t) => {
  t.same(
    rateLimitProblems({
      '/api/auth/stripe/webhook': { requests: 100_000, window: 10 },
      '/api/auth/stripe/*': { requests: 1, window: 86_400 },
      '/api/auth/sign-in/email': { requests: 100, window: 10 },
      '/api/auth/sign-up/*': { requests: 1, window: 60, failures: { perAddress: 10, inAll: 100 } }
    }),
    []
  )
  const tooMany =
    'is or covers a path where secrets can be guessed, accounts made or mails sent: at most 100 requests, and no more than 10 a second'
  const guarded = [
    ...['sign-in/email', 'sign-in/anything', 'sign-up/email', 'change-password', 'change-email', 'verify-password'],
    ...[
      'delete-user',
      'delete-user/callback',
      'reset-password',
      'reset-password/abc',
      'reset-password/*',
      'device/token'
    ],
    ...['request-password-reset', 'send-verification-email', 'forget-password/email-otp', 'two-factor/*'],
    ...['two-factor/verify-totp', 'email-otp/*', 'email-otp/send-verification-otp', 'magic-link/verify', 'sign-in/*']
  ]
  for (const path of guarded)
    for (const limit of [
      { requests: 101, window: 3_600 },
      { requests: 11, window: 1 }
    ])
      t.same(rateLimitProblems({ [`/api/auth/${path}`]: limit }), [`rateLimits["/api/auth/${path}"]: ${tooMany}`], path)
  const place = 'rateLimits["/api/auth/x"]'
  const wrong: [unknown, ...string[]][] = [
    [false, `${place}: must be an object with requests and window, failures, or all of them`],
    [{}, `${place}: says nothing: give it requests and window, failures, or all of them`],
    [{ requests: 5 }, `${place}.window: must be a whole number of seconds from 1 to 86400; requests are given as well`],
    [
      { requests: 0, window: 1.5 },
      `${place}.requests: must be a whole number from 1 to 1000000; window is given as well`,
      `${place}.window: must be a whole number of seconds from 1 to 86400; requests are given as well`
    ],
    [{ requests: 1, window: 1, max: 5 }, `${place}.max: is not known in this version`],
    [{ failures: {} }, `${place}.failures: must be an object with perAddress, inAll or both`],
    [
      { failures: { perAddress: 11, inAll: 101, ever: 1 } },
      `${place}.failures.perAddress: must be a whole number from 1 to 10, which is what holds without it`,
      `${place}.failures.inAll: must be a whole number from 1 to 100, which is what holds without it`,
      `${place}.failures.ever: is not known in this version`
    ]
  ]
  for (const [limit, ...problems] of wrong) t.same(rateLimitProblems({ '/api/auth/x': limit }), problems)
  t.same(rateLimitProblems([]), ['rateLimits: must be an object of paths below /api/auth and their limits'])
  for (const path of ['/api/auth', '/api/auth/*', '/api/auth/:x', '/files', '/api/auth/../x'])
    t.match(rateLimitProblems({ [path]: { requests: 1, window: 1 } }), [/: must be a path below \/api\/auth, such as/])
})

t.test('what a plugin guards itself is guarded', async (t) => {
  const endpoint = createAuthEndpoint('/pin/try', { method: 'POST' }, async () => {})
  const pin: BetterAuthPlugin = {
    id: 'pin',
    endpoints: { endpoint },
    rateLimit: [{ pathMatcher: (path) => path.startsWith('/pin/'), window: 60, max: 5 }]
  }
  const high = { requests: 5_000, window: 10 }
  for (const path of ['/api/auth/pin/try', '/api/auth/pin/*', '/api/auth/pin/other'])
    t.match(pluginRateLimitProblems({ [path]: high }, { plugins: [pin] }), [/is or covers a path where secrets/], path)
  t.match(pluginRateLimitProblems({ '/id/pin/try': high }, { plugins: [pin], basePath: '/id' }), [
    /is or covers a path/
  ])
  t.same(pluginRateLimitProblems({ '/api/auth/pins': high, [webhook]: high }, { plugins: [pin, paid] }), [])
  t.same(pluginRateLimitProblems({ '/api/auth/pin/try': { requests: 100, window: 10 } }, { plugins: [pin] }), [])
})
