import t from 'tap'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { sendRaw } from '../support/raw-http.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { askRaw, openWire } from '../support/wire.ts'

const answers: Record<string, string> = {
  '/public/set-cookies':
    'HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 0\r\nset-cookie: b="2, 3"\r\nSET-COOKIE: a=1\r\n\r\n',
  '/public/duplicates':
    'HTTP/1.1 207 Multi Status Indeed\r\nWWW-Authenticate: Basic\r\nX-A: 1\r\nx-a: 2\r\nX-A: 1\r\nWWW-Authenticate: Bearer x="y"\r\n' +
    'Link: <a>; rel="x y", <b>\r\nX-Latin: caf\xe9\r\nX-Empty:\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nServer: odd\r\nContent-Length: 2\r\n\r\nok',
  '/public/hop':
    'HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: x\r\nUpgrade: h2\r\n' +
    'X-Request-Id: theirs\r\nX-Stays: 1\r\nContent-Length: 0\r\n\r\n',
  '/public/head': 'HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nETag: "x"\r\n\r\n',
  '/public/head-trailer': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n',
  '/public/204': 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n',
  '/public/304': 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 7\r\nTrailer: X-Sum\r\n\r\n',
  '/public/206':
    'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-3/10\r\nAccept-Ranges: bytes\r\nContent-Length: 2\r\n\r\ncd',
  '/public/302': 'HTTP/1.1 302 Found\r\nLocation: http://upstream.invalid/a?b#c\r\nContent-Length: 0\r\n\r\n',
  '/public/trailers':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Transfer-Encoding\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\nContent-Type: x\r\nConnection: x\r\n\r\n',
  '/public/trailer-announced': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTrailer: X-Sum\r\n\r\nabc',
  '/public/hints':
    'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel="preload stylesheet"; as=style, </b>; rel=preload\r\nSet-Cookie: better-auth.session_token=x\r\n\r\n' +
    'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  '/public/late': 'HTTP/1.1 200 OK\r\nX-Latin: caf\xe9\r\nContent-Length: 2\r\n\r\n',
  '/public/close': 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end',
  '/public/odd-status': 'HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n',
  '/public/odd-headers': 'HTTP/1.1 200 OK\r\nX-Bell: a\x07b\r\nX-Fine: 1\r\nContent-Length: 0\r\n\r\n'
}
let sayTheRest = () => {}
const upstream = await startRawUpstream(t, ({ socket }, head) => {
  const path = head.split(' ')[1] ?? ''
  socket.write(answers[path] ?? 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'latin1')
  if (path === '/public/close') socket.end()
  if (path === '/public/late') sayTheRest = () => socket.write('ok')
})
const echo = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const echoing = await startTestGateway(t, { upstreamUrl: echo.url })
const host = (url: string) => `Host: ${new URL(url).host}`

function ask(path: string, method = 'GET', headers: readonly string[] = []) {
  return askRaw(gateway.port, `${method} ${path} HTTP/1.1`, [host(gateway.publicUrl), ...headers])
}

t.test('response headers keep their spelling, order, number and bytes', async (t) => {
  t.same((await ask('/public/set-cookies')).all('set-cookie'), ['a=1; Path=/', 'b="2, 3"', 'a=1'])
  const answer = await ask('/public/duplicates')
  t.same([answer.status, answer.reason], [207, 'Multi Status Indeed'])
  const { headers } = answer
  const mine = ['X-Request-Id', 'Connection']
  t.same(
    headers.filter(([name]) => !mine.includes(name)),
    [
      ['WWW-Authenticate', 'Basic'],
      ['X-A', '1'],
      ['x-a', '2'],
      ['X-A', '1'],
      ['WWW-Authenticate', 'Bearer x="y"'],
      ['Link', '<a>; rel="x y", <b>'],
      ['X-Latin', 'caf\xe9'],
      ['X-Empty', ''],
      ['Date', 'Mon, 01 Jan 2001 00:00:00 GMT'],
      ['Server', 'odd'],
      ['Content-Length', '2']
    ]
  )
})

t.test('so they do when they come before the body', async (t) => {
  const wire = await openWire(gateway.port)
  wire.write(`GET /public/late HTTP/1.1\r\n${host(gateway.publicUrl)}\r\n\r\n`)
  t.match(await wire.until(/\r\n\r\n/), /^HTTP\/1\.1 200 OK\r\n[\s\S]*X-Latin: caf\xe9\r\n/)
  sayTheRest()
  await wire.until(/\r\n\r\nok$/)
  wire.destroy()
})

t.test('response headers of one hop stay on it', async (t) => {
  const answer = await ask('/public/hop')
  for (const name of ['x-hop', 'keep-alive', 'proxy-authenticate', 'upgrade']) t.same(answer.all(name), [], name)
  t.equal(answer.only('x-stays'), '1')
  t.not(answer.only('x-request-id'), 'theirs')
})

t.test('answers without a body stay as they are', async (t) => {
  const head = await ask('/public/head', 'HEAD')
  t.match({ ...head, length: head.only('content-length'), etag: head.only('etag') }, { status: 200, length: '12345' })
  t.equal(head.body, '')
  t.equal((await ask('/public/head-trailer', 'HEAD')).status, 200)
  const none = await ask('/public/204')
  t.equal(none.status, 204)
  t.same([none.body, none.only('x-a'), none.all('content-length'), none.all('transfer-encoding')], ['', '1', [], []])
  const unmodified = await ask('/public/304')
  t.same([unmodified.status, unmodified.body, unmodified.only('etag')], [304, '', '"x"'])
})

t.test('ranges and redirects pass as the upstream said them', async (t) => {
  const range = await ask('/public/206', 'GET', ['Range: bytes=2-3'])
  t.same([range.status, range.only('content-range'), range.body], [206, 'bytes 2-3/10', 'cd'])
  t.ok(upstream.connections.some((connection) => /Range: bytes=2-3\r\n/.test(connection.received())))
  const redirect = await ask('/public/302')
  t.same([redirect.status, redirect.only('location')], [302, 'http://upstream.invalid/a?b#c'])
})

t.test('trailers pass, but for what may not be said so late', async (t) => {
  const raw = `GET /public/trailers HTTP/1.1\r\n${host(gateway.publicUrl)}\r\nConnection: close\r\n\r\n`
  const received = await sendRaw(gateway.port, raw)
  t.match(received, /\r\nTrailer: X-Sum, Transfer-Encoding\r\n/)
  t.ok(received.endsWith('3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n'), received)
  const announced = await ask('/public/trailer-announced')
  t.same([announced.status, announced.body, announced.all('trailer')], [200, 'abc', []])
})

t.test('early hints pass, with their links and nothing else', async (t) => {
  const raw = `GET /public/hints HTTP/1.1\r\n${host(gateway.publicUrl)}\r\nConnection: close\r\n\r\n`
  const received = await sendRaw(gateway.port, raw)
  const hints =
    'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel="preload stylesheet"; as=style, </b>; rel=preload\r\n\r\n'
  t.ok(received.startsWith(`${hints}HTTP/1.1 200 OK\r\n`), received)
  const old = await sendRaw(gateway.port, `GET /public/hints HTTP/1.0\r\n${host(gateway.publicUrl)}\r\n\r\n`)
  t.match(old, /^HTTP\/1\.1 200 OK\r\n/)
})

t.test('an HTTP/1.0 client gets a whole answer without chunks', async (t) => {
  const received = await sendRaw(gateway.port, `GET /public/trailers HTTP/1.0\r\n${host(gateway.publicUrl)}\r\n\r\n`)
  t.match(received, /^HTTP\/1\.1 200 OK\r\n/)
  t.ok(received.endsWith('\r\n\r\nabc'), received)
})

t.test('odd answers neither break the gateway nor reach the client unsendable', async (t) => {
  t.equal((await ask('/public/close')).body, 'until the end')
  t.equal((await ask('/public/odd-status')).status, 599)
  const odd = await ask('/public/odd-headers')
  t.ok(odd.status === 200 ? odd.all('x-bell').length === 0 : odd.status === 502, `${odd.status}`)
})

t.test('method, path and query bytes arrive as they were sent', async (t) => {
  for (const target of [
    '/public/%7e;x=1',
    '/public/~%7E%2d-',
    '/public/x?a=%zz&b=+;&&c=%ED%A0%80',
    '/public/x?',
    '/public/x??a=?',
    '/public/x?<>"{}|^`',
    "/public/a!$&'()*+,;=:@",
    '/public/%e2%82%ac/%E2%82%AC'
  ]) {
    const answer = await askRaw(echoing.port, `GET ${target} HTTP/1.1`, [host(echoing.publicUrl)])
    t.equal(answer.status, 200, target)
    t.equal(echo.requests.at(-1)?.url, target, target)
  }
})

t.test('request headers keep their spelling, order, number and bytes', async (t) => {
  const sent = [
    'ACCEPT: */*',
    'x-A: 1',
    'X-a: 2',
    'Accept-Version: 9.x',
    'X-Latin: caf\xe9',
    'X-Empty: ',
    'Authorization: Basic eDp5',
    'Cookie: a=1;  b=2; c="3"',
    'If-None-Match: "x"',
    'Content-Type: nonsense'
  ]
  await askRaw(echoing.port, 'GET /public/x HTTP/1.1', [host(echoing.publicUrl), ...sent])
  const { rawHeaders = [] } = echo.requests.at(-1) ?? {}
  const first = rawHeaders.indexOf('ACCEPT')
  t.same(
    rawHeaders.slice(first),
    sent.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
  )
})

// What HTTP/2 in front makes of one line (RFC 9113, section 8.2.3); FastAPI would read the last.
t.test('several cookie lines arrive as one', async (t) => {
  const sent = ['Cookie: theme=dark', 'A: b', 'Cookie: better-auth.session_token=x', 'Cookie: csrftoken=1']
  await askRaw(echoing.port, 'GET /public/x HTTP/1.1', [host(echoing.publicUrl), ...sent])
  const { rawHeaders = [] } = echo.requests.at(-1) ?? {}
  t.same(
    rawHeaders.filter((_, i) => rawHeaders[i - 1] === 'Cookie'),
    ['theme=dark; csrftoken=1']
  )
})

t.test('FastAPI is told the public origin, whatever the client called it', async (t) => {
  const port = new URL(echoing.publicUrl).port
  const answer = await askRaw(echoing.port, 'GET /public/x HTTP/1.1', [`Host: 127.0.0.1:${port}`])
  const { headers } = answer.json() as Echo
  t.match(headers, { host: `localhost:${port}`, 'x-forwarded-host': `localhost:${port}`, 'x-forwarded-proto': 'http' })
})
