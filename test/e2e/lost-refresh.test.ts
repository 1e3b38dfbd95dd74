import { createAuthEndpoint, createAuthMiddleware, sessionMiddleware } from 'better-auth/api'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { askRaw, openWire } from '../support/wire.ts'

// A refresh prolongs the session's row once a day, and its cookie only where the answer reaches the browser. One that did
// not was not made up for until the next day, and a user whose answers were lost was signed out on day 7.

const day = 86_400_000
const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: eA==']

let release = () => {}
let isHeld = false
let isDone = false

/** Makes the session that asks due for a refresh, and holds a request to BetterAuth up that says so. */
const aging = {
  id: 'aging',
  endpoints: {
    age: createAuthEndpoint('/age', { method: 'POST', use: [sessionMiddleware] }, async (ctx) => {
      const { token } = ctx.context.session.session
      await ctx.context.internalAdapter.updateSession(token, { expiresAt: new Date(Date.now() + 5 * day) })
      return ctx.json({ aged: true })
    })
  },
  hooks: {
    before: [
      {
        matcher: () => true,
        handler: createAuthMiddleware(async ({ headers }) => {
          if (headers?.get('x-hold') !== 'yes') return
          isHeld = true
          await new Promise<void>((resolve) => {
            release = resolve
          })
        })
      }
    ],
    after: [
      {
        matcher: () => true,
        handler: createAuthMiddleware(async ({ headers }) => {
          isDone ||= headers?.get('x-hold') === 'yes'
        })
      }
    ]
  }
}

await eachDatabase(t, async (t, { env }) => {
  const upstream = await startRawUpstream(t, ({ socket }, head) => {
    const path = head.split(' ')[1]
    if (path === '/unchanged') socket.write('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')
    else if (path === '/chat')
      socket.write('HTTP/1.1 101 Fine\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n')
    else if (path === '/me') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nme')
  })
  const secret = 'the secret of this test, which is long enough'
  for (const publicUrl of ['http://localhost:8080', 'https://localhost:8443']) {
    await t.test(publicUrl, async (t) => {
      const gateway = await startTestGateway(t, {
        upstreamUrl: upstream.url,
        env: { ...env, BETTER_AUTH_URL: publicUrl, BETTER_AUTH_SECRET: secret },
        policy: { auth: { plugins: [aging] } }
      })
      const host = `Host: ${new URL(publicUrl).host}`
      const seen = (path: string) => upstream.connections.some(({ received }) => received().includes(` ${path} HTTP`))
      let people = 0

      /** Somebody whose session is due, and what their browser sends. */
      async function due() {
        const browser = new Browser(gateway.url, publicUrl)
        await browser.signUp(`${people++}-${Date.now()}`)
        t.equal((await browser.post('/api/auth/age')).status, 200)
        return { browser, headers: [host, `Cookie: ${browser.cookieHeader}`] }
      }

      const isRefresh = (line: string) => line.includes('session_token=') && line.includes('; Max-Age=604800;')

      /** Sends a request, and leaves once it is `reached`. */
      async function leave(lines: readonly string[], reached: () => boolean): Promise<void> {
        const wire = await openWire(gateway.port)
        wire.write([...lines, '', ''].join('\r\n'))
        await until(reached)
        wire.destroy()
        const id = lines.find((line) => line.startsWith('X-Request-Id: '))?.slice(14)
        await until(() =>
          gateway
            .logged()
            .split('\n')
            .some((line) => line.includes(`"${id}"`) && line.includes('left'))
        )
      }

      t.test('the cookie is on a 304 and on a handshake', async (t) => {
        const reader = await due()
        const unchanged = await askRaw(gateway.port, 'GET /unchanged HTTP/1.1', [
          ...reader.headers,
          'If-None-Match: "a"'
        ])
        t.equal(unchanged.status, 304)
        t.equal(unchanged.all('set-cookie').filter(isRefresh).length, 1)

        const talker = await due()
        const wire = await openWire(gateway.port)
        wire.write(['GET /chat HTTP/1.1', ...talker.headers, ...upgrade, '', ''].join('\r\n'))
        const head = (await wire.until(/\r\n\r\n/)).split('\r\n')
        t.match(head[0], /^HTTP\/1\.1 101 /)
        t.equal(head.filter(isRefresh).length, 1)
        wire.destroy()
        t.notOk('set-cookie' in (await talker.browser.ask('/me')).headers, 'and not on the request after it')
      })

      const ways: Record<string, (id: string) => { lines: string[]; reached: () => boolean }> = {
        'a request': (id) => ({ lines: [`GET /${id} HTTP/1.1`], reached: () => seen(`/${id}`) }),
        'a handshake': (id) => ({ lines: [`GET /${id} HTTP/1.1`, ...upgrade], reached: () => seen(`/${id}`) }),
        'a request to BetterAuth': () => ({
          lines: ['GET /api/auth/get-session HTTP/1.1', 'X-Hold: yes'],
          reached: () => isHeld
        })
      }
      for (const [way, of] of Object.entries(ways)) {
        t.test(`after a client that left ${way} the next request brings it`, async (t) => {
          isHeld = isDone = false
          const { browser, headers } = await due()
          const id = `left-${Math.random().toString(36).slice(2)}`
          const { lines, reached } = of(id)
          await leave([...lines, ...headers, `X-Request-Id: ${id}`], reached)
          release()
          if (way === 'a request to BetterAuth') await until(() => isDone)
          const told: string[] = []
          await until(async () => {
            const answer = await browser.ask('/me')
            t.equal(answer.status, 200)
            told.push(...[answer.headers['set-cookie'] ?? []].flat())
            return told.some(isRefresh)
          })
          t.notOk('set-cookie' in (await browser.ask('/me')).headers, 'once')
        })
      }
    })
  }

  // Both answers set the cookie of a session that was not refreshed, and reach nobody.
  for (const session of [
    { expiresIn: 3_600, updateAge: 7_200 },
    { expiresIn: 3_600, updateAge: 3_590 }
  ]) {
    await t.test(`nothing ends a session that was not refreshed: ${JSON.stringify(session)}`, async (t) => {
      const gateway = await startTestGateway(t, {
        upstreamUrl: upstream.url,
        env: { ...env, BETTER_AUTH_SECRET: secret, SESSION_CACHE_TTL: '0' },
        policy: { session, auth: { plugins: [aging] } }
      })
      const browser = new Browser(gateway.url, gateway.publicUrl)
      await browser.signUp(`ada-${Date.now()}`)
      isHeld = isDone = false
      const wire = await openWire(gateway.port)
      const body = '{"name":"Ada"}'
      const lines = [`Host: ${new URL(gateway.publicUrl).host}`, `Cookie: ${browser.cookieHeader}`, 'X-Hold: yes']
      const framing = ['Content-Type: application/json', `Content-Length: ${body.length}`]
      const origin = `Origin: ${gateway.publicUrl}`
      wire.write(['POST /api/auth/update-user HTTP/1.1', ...lines, origin, ...framing, '', body].join('\r\n'))
      await until(() => isHeld)
      wire.destroy()
      await until(() => gateway.logged().includes('client left'))
      release()
      await until(() => isDone)
      for (let times = 0; times < 20; times++) t.equal((await browser.ask('/me')).status, 200)
    })
  }
})
