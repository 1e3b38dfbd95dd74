import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import t from 'tap'
import { type Dispatcher, request } from 'undici'
import { WebSocket } from 'ws'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { dial, message, mustDial } from '../support/websocket.ts'
import { askRaw, openWire } from '../support/wire.ts'

const skip = await withoutPython()

t.test('FastAPI behind the gateway behaves as FastAPI in front of it', { skip }, async (t) => {
  const uvicorn = await startUvicorn(t)
  const routes = [
    { path: '/public/*', access: 'public' },
    { path: '/hello', access: 'public' },
    { path: '/feed/*', access: 'optional' }
  ] as const
  const gateway = await startTestGateway(t, { upstreamUrl: uvicorn.url, policy: { routes } })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  const { host } = new URL(gateway.publicUrl)
  const me = (await ada.ask('/me')).json() as { id: string }
  // What the gateway says, said by hand.
  const identity = {
    'x-user-id': me.id,
    'x-user-email': 'ada@example.com',
    'x-user-email-verified': 'false',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': host
  }
  const ours = new Set([
    'date',
    'connection',
    'keep-alive',
    'x-request-id',
    'vary',
    'cache-control',
    'x-accel-buffering'
  ])

  async function both(path: string, options: Partial<Dispatcher.RequestOptions> & { headers?: object } = {}) {
    const through = { host, cookie: ada.cookieHeader, origin: gateway.publicUrl }
    const results = []
    for (const [origin, headers] of [
      [gateway.url, through],
      [uvicorn.url, { host, ...identity }]
    ] as const) {
      const {
        statusCode,
        headers: got,
        body
      } = await request(origin + path, {
        ...options,
        method: options.method ?? 'GET',
        headers: { ...headers, ...options.headers }
      })
      const bytes = Buffer.from(await body.arrayBuffer())
      const names = Object.entries(got).filter(([name]) => !ours.has(name))
      results.push({ statusCode, names, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') })
    }
    const [behind, direct] = results
    t.same(behind, direct, `${options.method ?? 'GET'} ${path}`)
    return behind
  }

  await t.test('answers are the same, byte for byte', async (t) => {
    t.match(await both('/me'), { statusCode: 200 })
    t.match(await both('/hello'), { statusCode: 200 })
    t.match(await both('/feed/a%2Bb'), { statusCode: 200 })
    t.match(await both('/items'), { statusCode: 307 })
    t.match(await both('/nowhere'), { statusCode: 404 })
    t.match(await both('/me', { method: 'DELETE' }), { statusCode: 405 })
    t.match(await both('/me', { method: 'OPTIONS' }), { statusCode: 405 })
    t.match(await both('/verified-only'), { statusCode: 403 })
    t.match(await both('/events?n=3&every=0.01'), { statusCode: 200 })
    t.match(await both('/events?n=x'), { statusCode: 422 })
    t.match(await both('/download?bytes=3000000'), { statusCode: 200, bytes: 3_000_000 })
    t.match(await both('/download?bytes=3000000', { method: 'HEAD' }), { statusCode: 200, bytes: 0 })
    const file = await both('/download/readme')
    const etag = file?.names.find(([name]) => name === 'etag')?.[1]
    t.match(await both('/download/readme', { headers: { 'if-none-match': etag } }), { statusCode: /200|304/ })
    t.match(await both('/download/readme', { headers: { range: 'bytes=2-9' } }), { statusCode: 206, bytes: 8 })
    t.match(await both('/download/readme', { headers: { range: 'bytes=999999-' } }), { statusCode: 416 })
  })

  await t.test('so is what it makes of bodies', async () => {
    for (const [type, body] of [
      ['text/plain', Buffer.from([0xff, 0xfe, 0])],
      ['application/json', '{"n": 12345678901234567890}'],
      ['application/octet-stream', randomBytes(2_000_000)],
      ['nonsense', 'x']
    ] as const) {
      await both('/echo-body', { method: 'POST', headers: { 'content-type': type }, body })
    }
    await both('/echo-body', { method: 'POST', headers: {}, body: '' })
    const form = new FormData()
    form.set('file', new Blob([randomBytes(300_000)]), 'a b.bin')
    const encoded = new Request('http://x', { method: 'POST', body: form })
    const headers = { 'content-type': encoded.headers.get('content-type') ?? '' }
    await both('/upload', { method: 'POST', headers, body: Buffer.from(await encoded.arrayBuffer()) })
    await both('/upload', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })
  })

  await t.test('redirects lead to the public origin', async (t) => {
    const answer = await ada.ask('/items')
    t.equal(answer.headers['location'], `${gateway.publicUrl}/items/`)
  })

  await t.test('100 Continue comes from the gateway, and FastAPI gets the body', async (t) => {
    const wire = await openWire(gateway.port)
    const cookie = `Cookie: ${ada.cookieHeader}`
    wire.write(
      ['POST /echo-body HTTP/1.1', `Host: ${host}`, cookie, 'Expect: 100-continue', 'Content-Length: 3', '', ''].join(
        '\r\n'
      )
    )
    await wire.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/)
    wire.write('abc')
    t.match(await wire.until(/"size":3/), /200 OK/)
    wire.destroy()
  })

  await t.test('events come as they happen', async (t) => {
    // It would take eight minutes to say all of them.
    const { body } = await request(`${gateway.url}/events?n=10000&every=0.05`, {
      headers: { host, cookie: ada.cookieHeader }
    })
    let text = ''
    for await (const chunk of body) {
      text += String(chunk)
      if (text.includes('"tick": 3,')) break
    }
    t.match(text, /"tick": 1,[\s\S]*"tick": 3,/)
    t.notMatch(text, /"tick": 10000,/)
  })

  await t.test('WebSockets speak, agree on a subprotocol, and are refused as FastAPI refuses them', async (t) => {
    const url = (path: string) => `ws://127.0.0.1:${gateway.port}${path}`
    const protocols = ['other', 'echo.v1']
    const { socket } = await mustDial(t, url('/public/echo'), { headers: { host }, protocols })
    t.equal(socket.protocol, 'echo.v1')
    const next = message(socket)
    socket.send('hello')
    t.equal(String((await next).data), 'hello')
    const chat = new WebSocket(url('/chat'), { headers: { host, cookie: ada.cookieHeader } })
    t.equal(String((await once(chat, 'message'))[0]), 'Welcome, ada@example.com.')
    chat.close()
    t.equal((await dial(t, url('/chat'), { headers: { host } })).status, 401)
    t.equal((await dial(t, url('/public/no-such-socket'), { headers: { host } })).status, 403)
  })

  await t.test('a hundred megabytes go up and down', async (t) => {
    const size = 100_000_000
    const headers = { host, cookie: ada.cookieHeader, origin: gateway.publicUrl }
    const down = await request(`${gateway.url}/download?bytes=${size}`, { headers })
    let bytes = 0
    for await (const chunk of down.body) bytes += (chunk as Buffer).length
    const piece = Buffer.alloc(100_000)
    const pieces = Readable.from(
      (function* () {
        for (let sent = 0; sent < size; sent += piece.length) yield piece
      })()
    )
    const up = await request(`${gateway.url}/echo-body`, { method: 'POST', headers, body: pieces })
    t.match(await up.body.json(), { size })
    t.equal(bytes, size)
  })

  await t.test('an upgrade to HTTP/2 is not taken', async (t) => {
    const headers = [
      `Host: ${host}`,
      'Connection: Upgrade, HTTP2-Settings, close',
      'Upgrade: h2c',
      'HTTP2-Settings: AA'
    ]
    t.equal((await askRaw(gateway.port, 'GET /hello HTTP/1.1', headers)).status, 200)
  })
})
