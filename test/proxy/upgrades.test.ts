import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { askRaw, openWire } from '../support/wire.ts'

const answers: Record<string, string> = {
  '/public/announced': 'HTTP/1.1 403 No\r\nContent-Length: 2\r\nTrailer: X-Sum\r\n\r\nno',
  '/public/chunked':
    'HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nno\r\n0\r\nX-Sum: 1\r\n\r\n',
  '/public/cookies':
    'HTTP/1.1 101 Fine\r\nConnection: Upgrade, X-Hop\r\nUpgrade: websocket\r\nX-Hop: 1\r\nSec-WebSocket-Accept: x\r\n' +
    'Set-Cookie: better-auth.session_token=x\r\nSet-Cookie: theme=dark\r\n\r\n',
  '/public/hints': 'HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n',
  '/public/garbage': 'what?\r\n\r\n',
  '/public/no-status': 'HTTP/1.1 000 No\r\nContent-Length: 2\r\n\r\nno',
  '/public/low-status': 'HTTP/1.1 099 No\r\nContent-Length: 200\r\n\r\nno',
  '/public/half': 'HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nab',
  '/public/events': 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: hello\n\n',
  '/me': 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: hello\n\n',
  '/public/plain': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain'
}
const upstream = await startRawUpstream(t, ({ socket }, head) => {
  const answer = answers[head.split(' ')[1] ?? '']
  if (answer === undefined) return
  socket.write(answer)
  if (answer.includes('ab') || answer.startsWith('what')) socket.end()
})
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const host = `Host: ${new URL(gateway.publicUrl).host}`
const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: eA==']

const ask = (path: string, ...more: string[]) =>
  askRaw(gateway.port, `GET ${path} HTTP/1.1`, [host, ...upgrade, ...more])

t.test('an upstream that refuses is quoted, whatever it says beside', async (t) => {
  const announced = await ask('/public/announced')
  t.same([announced.status, announced.body, announced.all('trailer')], [403, 'no', []])
  const chunked = await ask('/public/chunked')
  t.same([chunked.status, chunked.body], [404, 'no'])
  t.equal((await ask('/public/hints')).status, 401)
  t.same([(await ask('/public/plain')).status, (await ask('/public/plain')).body], [200, 'plain'])
  t.equal((await ask('/public/half')).status, 403)
})

t.test('one that breaks off or talks nonsense is 502', async (t) => {
  for (const path of ['garbage', 'no-status', 'low-status']) {
    const answer = await ask(`/public/${path}`)
    t.equal(answer.status, 502, path)
    t.match(answer.json(), { code: 'UPSTREAM_FAILED' }, path)
  }
})

t.test('a handshake carries no hop-by-hop headers and none of BetterAuth’s cookies back', async (t) => {
  const wire = await openWire(gateway.port)
  wire.write(['GET /public/cookies HTTP/1.1', host, ...upgrade, '', ''].join('\r\n'))
  const received = await wire.until(/\r\n\r\n/)
  t.match(received, /^HTTP\/1\.1 101 [\s\S]*Sec-WebSocket-Accept: x\r\n[\s\S]*Set-Cookie: theme=dark\r\n/)
  t.match(received, /X-Request-Id: /)
  t.notMatch(received, /better-auth|X-Hop/i)
  wire.destroy()
})

t.test('a handshake with a body is refused: nobody could say where it ends', async (t) => {
  const seen = upstream.connections.length
  for (const framing of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
    const answer = await ask('/public/cookies', framing)
    t.equal(answer.status, 400, framing)
    t.match(answer.json(), { code: 'UPGRADE_UNSUPPORTED' })
  }
  t.equal(upstream.connections.length, seen)
})

t.test('who gives up waiting for a handshake leaves nothing open', async (t) => {
  const wire = await openWire(gateway.port)
  wire.write(['GET /public/never HTTP/1.1', host, ...upgrade, '', ''].join('\r\n'))
  await until(() => upstream.connections.at(-1)?.received().includes('/public/never') === true)
  wire.destroy()
  await until(() => upstream.connections.at(-1)?.socket.destroyed === true)
  t.pass('the upstream connection is closed')
})

// As uvicorn does where no WebSocket library is installed.
t.test('nor does who leaves an event stream that a handshake was answered with', async (t) => {
  const wire = await openWire(gateway.port)
  wire.write(['GET /public/events HTTP/1.1', host, ...upgrade, '', ''].join('\r\n'))
  await wire.until(/data: hello/)
  const { socket } = upstream.connections.at(-1) ?? {}
  t.equal(socket?.destroyed, false)
  wire.destroy()
  await until(() => socket?.destroyed === true)
})

t.test('such a stream ends with its session, like any other', async (t) => {
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  const wire = await openWire(gateway.port)
  wire.write(['GET /me HTTP/1.1', host, `Cookie: ${ada.cookieHeader}`, ...upgrade, '', ''].join('\r\n'))
  await wire.until(/data: hello/)
  const { socket } = upstream.connections.at(-1) ?? {}
  await ada.signOut()
  t.match(await wire.closed(), /\r\n0\r\n\r\n$/, 'whole, as if the upstream had ended it')
  await until(() => socket?.destroyed === true)
})
