import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { request } from 'undici'
import type { Auth } from '../../auth/better-auth.ts'
import { createSignInToken } from '../../auth/development-sign-in.ts'
import type { DevelopmentMail } from '../../auth/pages/development-pages.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import type { Teardown } from '../support/postgres.ts'

const run = promisify(execFile)
const entry = fileURLToPath(new URL('../../src/gatehouse.js', import.meta.url))
const signIn = '/auth/dev/sign-in'
const mail = '/auth/dev/mail'

async function startDevelopment(t: Teardown, mails: DevelopmentMail[] = [], env: Record<string, string> = {}) {
  const told: Pick<Auth, '$context'>[] = []
  const gateway = await startTestGateway(t, {
    env,
    development: { pages: { mails: () => mails }, onExchange: () => {}, onAuth: (auth) => told.push(auth) }
  })
  const [auth] = told
  if (auth === undefined) throw new Error('the gateway told of no BetterAuth')
  return { gateway, context: await auth.$context }
}

/** A request that is as a browser's own, but for `headers`. */
async function ask(gateway: TestGateway, path: string, headers: Record<string, string> = {}, form?: object) {
  const response = await request(gateway.url + path, {
    method: form === undefined ? 'GET' : 'POST',
    headers: {
      host: new URL(gateway.publicUrl).host,
      'sec-fetch-site': form === undefined ? 'none' : 'same-origin',
      ...(form !== undefined && {
        origin: gateway.publicUrl,
        'content-type': 'application/x-www-form-urlencoded'
      }),
      ...headers
    },
    ...(form !== undefined && { body: new URLSearchParams(Object.entries(form)).toString() })
  })
  return { status: response.statusCode, headers: response.headers, text: await response.body.text() }
}

const hasSession = (answer: Awaited<ReturnType<typeof ask>>) =>
  String(answer.headers['set-cookie']).includes('session_token=')

t.test('a link that was printed signs in once, from this origin, and its token is stored nowhere', async (t) => {
  const { gateway, context } = await startDevelopment(t, [], { ALLOWED_HOSTS: 'other.example' })
  const person = { email: 'ada@example.com', ids: 'text', takesExisting: true } as const
  const token = (await createSignInToken(context, person)) ?? ''
  t.equal(Buffer.from(token, 'base64url').length, 32)
  const stored = JSON.stringify(await context.adapter.findMany({ model: 'verification' }))
  t.notOk(stored.includes(token), 'not stored')
  t.ok(stored.includes(createHash('sha256').update(token).digest('hex')), 'but by its hash')

  const page = await ask(gateway, `${signIn}?token=${token}`)
  t.equal(page.status, 200)
  t.notOk(hasSession(page), 'opening it signs nobody in')
  t.match(page.headers, { 'cache-control': 'no-store', 'referrer-policy': 'strict-origin', 'x-frame-options': 'DENY' })
  t.match(page.headers['content-security-policy'], "frame-ancestors 'none'")
  await request(`${gateway.url}${signIn}?token=${token}`, {
    method: 'HEAD',
    headers: { host: new URL(gateway.publicUrl).host }
  })
  await ask(gateway, `${signIn}?token=${token}`, { 'sec-purpose': 'prefetch' })

  for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null', 'sec-fetch-site': 'cross-site' }]) {
    const foreign = await ask(gateway, signIn, headers, { token })
    t.equal(foreign.status, 403, JSON.stringify(headers))
    t.notOk(hasSession(foreign))
  }
  for (const wrong of ['', 'x', token.slice(1), `${token}=`, `${token.slice(0, -1)}!`]) {
    const answer = await ask(gateway, signIn, {}, { token: wrong })
    t.equal(answer.status, 400, wrong)
    t.notOk(hasSession(answer))
  }

  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(gateway, signIn, {}, { token })))
  t.equal(answers.filter(hasSession).length, 1, 'of twenty at once one')
  t.equal(answers.filter(({ status }) => status === 303).length, 1)
  t.equal((await ask(gateway, signIn, {}, { token })).status, 400, 'and nobody after')
  const cookie = String(answers.find(hasSession)?.headers['set-cookie']).split(';')[0] ?? ''
  const account = await ask(gateway, '/auth/account', { cookie })
  t.match(account.text, 'ada@example.com')
  t.notOk(gateway.logged().includes(token), 'not logged')
})

t.test('a link is of no use after ten minutes', async (t) => {
  const { gateway, context } = await startDevelopment(t)
  const token = (await createSignInToken(context, { email: 'ada@example.com', ids: 'text', takesExisting: true })) ?? ''
  const [row] = await context.adapter.findMany<{ id: string; expiresAt: Date }>({ model: 'verification' })
  const left = (row?.expiresAt.getTime() ?? 0) - Date.now()
  t.ok(left > 590_000 && left <= 600_000, 'ten minutes')
  const where = [{ field: 'id', value: row?.id ?? '' }]
  await context.adapter.update({ model: 'verification', where, update: { expiresAt: new Date(Date.now() - 1) } })
  const late = await ask(gateway, signIn, {}, { token })
  t.equal(late.status, 400)
  t.notOk(hasSession(late))
})

t.test('somebody who is there is left alone where they may be a real person', async (t) => {
  const { context } = await startDevelopment(t)
  const { internalAdapter } = context
  const user = await internalAdapter.createUser(
    { email: 'ada@example.com', name: 'Ada', emailVerified: false },
    { method: 'email-password' }
  )
  const remote = { ids: 'text', takesExisting: false } as const
  t.equal(await createSignInToken(context, { email: 'ada@example.com', ...remote }), undefined)
  t.equal((await internalAdapter.findUserById(user.id))?.emailVerified, false, 'not verified')
  t.same(await context.adapter.findMany({ model: 'verification' }), [], 'no link')
  t.type(await createSignInToken(context, { email: 'new@example.com', ...remote }), 'string', 'a new one gets one')
  t.type(await createSignInToken(context, { email: 'ada@example.com', ids: 'text', takesExisting: true }), 'string')
  t.equal((await internalAdapter.findUserById(user.id))?.emailVerified, true)
})

t.test(
  'the pages of development are shown to a browser on this machine alone, and run nothing that was mailed',
  async (t) => {
    const mails = [
      {
        at: 1,
        to: '<script>alert(1)</script>@x',
        subject: '"><img src=x onerror=alert(2)>',
        url: 'javascript:alert(3)'
      },
      { at: 2, to: 'ada@example.com', subject: 'Reset the password', url: 'http://localhost:8080/x?a=1&b="' }
    ]
    const { gateway } = await startDevelopment(t, mails, {
      ALLOWED_HOSTS: 'tunnel.example',
      TRUSTED_ORIGINS: 'http://localhost:3000'
    })
    const page = await ask(gateway, mail)
    t.equal(page.status, 200)
    t.match(page.headers, { 'cache-control': 'no-store', 'cross-origin-resource-policy': 'same-origin' })
    t.notMatch(page.text, /<script|<img src=x|href="javascript/)
    t.match(page.text, 'href="http://localhost:8080/x?a=1&#38;b=&#34;" rel="noreferrer"')
    t.ok(page.text.indexOf('Reset the password') < page.text.indexOf('onerror'), 'the latest first')

    const elsewhere: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: 'http://localhost:3000' },
      { 'sec-fetch-site': 'same-site', referer: 'http://localhost:3000/' },
      { origin: 'https://evil.example' },
      { host: 'tunnel.example' },
      { 'x-forwarded-for': '203.0.113.7' },
      { 'x-forwarded-host': 'tunnel.example' },
      { forwarded: 'for=203.0.113.7' },
      { via: '1.1 tunnel' },
      ...[
        ...['x-forwarded-proto', 'x-forwarded-port', 'x-forwarded-server', 'x-forwarded-x', 'X_Forwarded_For'],
        ...['x-real-ip', 'X_Real_IP', 'true-client-ip', 'x-client-ip', 'x-original-host', 'tailscale-user-login'],
        ...['cf-connecting-ip', 'cf-ray', 'cf-visitor', 'CF_IPCountry', 'cdn-loop', 'x-request-id', 'x-envoy-peer']
      ].map((name) => ({ [name]: '1' }))
    ]
    for (const headers of elsewhere) {
      for (const path of [mail, signIn])
        t.equal((await ask(gateway, path, headers)).status, 404, `${path} ${JSON.stringify(headers)}`)
    }
    t.equal((await ask(gateway, mail, { host: 'rebound.example' })).status, 421)
  }
)

/** The status of a request that nothing but its HTTP version tells from a browser's. */
async function statusOver(version: string, address: string, gateway: TestGateway, path: string): Promise<string> {
  const socket = connect(gateway.port, address)
  socket.write(`GET ${path} HTTP/${version}\r\nHost: ${new URL(gateway.publicUrl).host}\r\nConnection: close\r\n\r\n`)
  return (await text(socket)).split(' ')[1] ?? ''
}

t.test('a proxy that adds no header shows itself by its HTTP version or its address', async (t) => {
  const { gateway } = await startDevelopment(t, [], { HOST: '0.0.0.0' })
  const elsewhere = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal)?.address
  for (const path of [mail, signIn]) {
    t.equal(await statusOver('1.1', '127.0.0.1', gateway, path), '200', 'a browser of this machine')
    t.equal(await statusOver('1.0', '127.0.0.1', gateway, path), '404', 'what nginx speaks by default')
    if (elsewhere !== undefined) t.equal(await statusOver('1.1', elsewhere, gateway, path), '404', 'another address')
  }
})

t.test('no setting of a deployment makes them', async (t) => {
  const gateway = await startTestGateway(t, { env: { NODE_ENV: 'development' } })
  for (const path of [mail, signIn]) {
    t.equal((await ask(gateway, path)).status, 404, path)
    t.equal((await ask(gateway, path, {}, { token: 'x' })).status, 404, path)
  }
  for (const command of ['dev-gateway']) {
    const ended = run(process.execPath, [entry, command], { env: { PATH: process.env['PATH'] } })
    await t.rejects(ended, { code: 2, stderr: /is a part of gatehouse dev/ })
  }
})
