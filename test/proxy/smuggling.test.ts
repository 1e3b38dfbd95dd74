import t from 'tap'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { sendRaw } from '../support/raw-http.ts'
import { askRaw, openWire } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const host = `Host: ${new URL(gateway.publicUrl).host}`

t.test('framing that two servers could read differently is refused and never forwarded', async (t) => {
  const cases: [string[], string][] = [
    [['Content-Length: 3', 'Transfer-Encoding: chunked'], '0\r\n\r\nGET /me HTTP/1.1\r\n\r\n'],
    [['Transfer-Encoding: chunked', 'Content-Length: 3'], '0\r\n\r\n'],
    [['Content-Length: 3', 'Content-Length: 4'], 'abcd'],
    [['Content-Length: 3, 3'], 'abc'],
    [['Content-Length: +3'], 'abc'],
    [['Content-Length: -1'], 'abc'],
    [['Content-Length: 0x3'], 'abc'],
    [['Content-Length: 3 4'], 'abc'],
    [['Transfer-Encoding: xchunked'], '0\r\n\r\n'],
    [['Transfer-Encoding: chunked, identity'], '0\r\n\r\n'],
    [['Transfer-Encoding: identity', 'Transfer-Encoding: chunked, x'], '0\r\n\r\n'],
    [['Transfer-Encoding : chunked'], '0\r\n\r\n'],
    [['Transfer-Encoding: \x0bchunked'], '0\r\n\r\n'],
    [['Transfer-Encoding: chunked\x0b'], '0\r\n\r\n'],
    [['Transfer-Encoding: "chunked"'], '0\r\n\r\n'],
    [['Transfer-Encoding: chunked;q=1'], '0\r\n\r\n'],
    [['Transfer-Encoding: chunked,'], '0\r\n\r\n'],
    [['Transfer-Encoding: chunked, chunked'], '0\r\n\r\n'],
    [['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
    [['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n'],
    [['Transfer-Encoding:'], '0\r\n\r\n'],
    [['Transfer-Encoding\xa0: chunked'], '0\r\n\r\n'],
    [['Transfer-Encoding: chunked'], '3 \r\nabc\r\n0\r\n\r\n'],
    [['Transfer-Encoding: chunked'], '0x3\r\nabc\r\n0\r\n\r\n'],
    [['Transfer-Encoding: chunked'], '3\nabc\n0\n\n'],
    [['Transfer-Encoding: chunked'], 'fffffffffffffffff\r\nabc'],
    [['Transfer-Encoding: chunked'], '3\r\nabcX\r\n0\r\n\r\n']
  ]
  for (const [headers, body] of cases) {
    const seen = upstream.requests.length
    const received = await sendRaw(
      gateway.port,
      [`POST /public/x HTTP/1.1`, host, 'Connection: close', ...headers, '', body].join('\r\n'),
      /REQUEST_MALFORMED|^HTTP\/1\.1 200/
    )
    t.match(received, /^HTTP\/1\.1 400 [\s\S]*REQUEST_MALFORMED/, headers.join(', '))
    // A chunk that is broken may show only once the request is under way; it must never be completed.
    for (const request of upstream.requests.slice(seen)) t.notOk(request.complete, headers.join(', '))
  }
})

t.test('a head that two servers could read differently is refused', async (t) => {
  for (const head of [
    `GET /public/head HTTP/1.1\n${host}\n\n`,
    `GET /public/head HTTP/1.1\r\n${host}\r\nA: b\rX-User-Id: c\r\n\r\n`,
    `GET /public/head HTTP/1.1\r\n${host}\r\nA: b\0c\r\n\r\n`,
    `GET /public/head HTTP/1.1\r\n${host}\r\nA\x0b: b\r\n\r\n`,
    `GET /public/head HTTP/1.1\r\n${host}\r\nX User: b\r\n\r\n`,
    `GET /public/head HTTP/1.1\r\n${host}\r\n: b\r\n\r\n`,
    `GET /public/head HTTP/1.1\r\n${host}\r\nno colon\r\n\r\n`,
    `GET /public/head HTTP/2.0\r\n${host}\r\n\r\n`,
    `GET /public/head HTTP/1.1 x\r\n${host}\r\n\r\n`,
    `GET /public/head\r\n\r\n`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01'
  ]) {
    const received = await sendRaw(gateway.port, Buffer.from(head, 'latin1'))
    t.match(received, /^HTTP\/1\.1 400 [\s\S]*"code":"REQUEST_MALFORMED"/, JSON.stringify(head))
    t.match(received, /Connection: close\r\n/, JSON.stringify(head))
  }
  // One of the bodies above may still be on its way.
  t.same(
    upstream.requests.filter(({ url }) => url === '/public/head'),
    []
  )
})

t.test('pipelined requests are answered in their order, each for itself', async (t) => {
  const one = (path: string) => `GET ${path} HTTP/1.1\r\n${host}\r\n`
  const received = await sendRaw(
    gateway.port,
    `${one('/public/1')}\r\n${one('/me')}\r\nPOST /public/2 HTTP/1.1\r\n${host}\r\nContent-Length: 3\r\n\r\nabc` +
      `${one('/deny/x')}\r\n${one('/public/3')}Connection: close\r\n\r\n`
  )
  const order = [...received.matchAll(/"url":"([^"]+)"|"code":"(\w+)"/g)].map(([, url, code]) => url ?? code)
  t.same(order, ['/public/1', 'SESSION_REQUIRED', '/public/2', 'NOT_FOUND', '/public/3'])
})

t.test('an upgrade that is refused leaves nothing behind it to be read as a request', async (t) => {
  const seen = upstream.requests.length
  const upgrade =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n'
  const received = await sendRaw(
    gateway.port,
    `GET /me HTTP/1.1\r\n${host}\r\n${upgrade}\r\nGET /public/smuggled HTTP/1.1\r\n${host}\r\n\r\n`
  )
  t.match(received, /^HTTP\/1\.1 401 /)
  t.equal(received.match(/HTTP\/1\.1 /g)?.length, 1)
  t.equal(upstream.requests.length, seen)
})

t.test('an Upgrade to anything but a WebSocket is ignored, as HTTP allows', async (t) => {
  const headers = [host, 'Connection: Upgrade, HTTP2-Settings, close', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQ']
  const get = await askRaw(gateway.port, 'GET /public/x HTTP/1.1', headers)
  t.equal(get.status, 200)
  const echo = get.json() as Echo
  for (const name of ['upgrade', 'http2-settings']) t.notOk(name in echo.headers, name)
  const post = await askRaw(gateway.port, 'POST /public/x HTTP/1.1', [...headers, 'Content-Length: 3'], 'abc')
  t.match(post.json(), { bytes: 3 })
  const lacking = await askRaw(gateway.port, 'GET /me HTTP/1.1', [
    host,
    'Connection: Upgrade, close',
    'Upgrade: websocket'
  ])
  t.equal(lacking.status, 401)
})

t.test('a body that stops half-way never becomes a whole one', async (t) => {
  const seen = upstream.requests.length
  const wire = await openWire(gateway.port)
  wire.write(`POST /public/x HTTP/1.1\r\n${host}\r\nContent-Length: 10\r\n\r\nabc`)
  while (upstream.requests.length === seen) await new Promise(setImmediate)
  wire.destroy()
  const request = upstream.requests.at(-1)
  await new Promise((resolve) => request?.once('close', resolve))
  t.equal(request?.complete, false)
})
