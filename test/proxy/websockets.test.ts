import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import t from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { closing, dial, message, mustDial } from '../support/websocket.ts'
import { openWire } from '../support/wire.ts'

const handshakes: IncomingMessage[] = []
const accepted: WebSocket[] = []
const server = createServer((_request, response) => response.end('plain'))
const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: true,
  maxPayload: 50_000_000,
  handleProtocols: (offered) => (offered.has('chat.v2') ? 'chat.v2' : false)
})
server.on('upgrade', (request: IncomingMessage, socket: Socket, head) => {
  handshakes.push(request)
  if (request.url?.startsWith('/public/refuse') === true) {
    socket.end(
      'HTTP/1.1 403 Not For You\r\nContent-Type: text/plain\r\nX-Why: because\r\nContent-Length: 4\r\n\r\nnope'
    )
    return
  }
  if (request.url === '/public/reset') {
    socket.destroy()
    return
  }
  sockets.handleUpgrade(request, socket, head, (ws) => {
    accepted.push(ws)
    ws.on('error', () => undefined)
    ws.on('message', (data, binary) => ws.send(data, { binary }))
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
t.teardown(() => {
  for (const ws of sockets.clients) ws.terminate()
  server.close()
  server.closeAllConnections()
})
const address = server.address()
const upstreamPort = typeof address === 'object' ? address?.port : 0
const gateway = await startTestGateway(t, { upstreamUrl: `http://127.0.0.1:${upstreamPort}` })
const ada = new Browser(gateway.url, gateway.publicUrl)
await ada.signUp('ada')
const { host } = new URL(gateway.publicUrl)
const url = (path: string) => `ws://127.0.0.1:${gateway.port}${path}`
const signedIn = { host, cookie: `theme=dark; ${ada.cookieHeader}`, origin: gateway.publicUrl }

t.test('text, binary, and messages of ten megabytes come back as they were sent', async (t) => {
  const { socket } = await mustDial(t, url('/public/x'), { headers: { host } })
  const big = randomBytes(10_000_000)
  for (const [sent, binary] of [
    ['h\u00e9llo', false],
    [Buffer.from([0, 255, 1]), true],
    ['', false],
    [big, true]
  ] as const) {
    const next = message(socket)
    socket.send(sent)
    const { data, binary: isBinary } = await next
    t.ok(data.equals(Buffer.from(sent)), `${data.length} bytes`)
    t.equal(isBinary, binary)
  }
})

t.test('fragments, pings and pongs pass', async (t) => {
  const { socket } = await mustDial(t, url('/public/x'), { headers: { host } })
  const next = message(socket)
  socket.send('one ', { fin: false })
  socket.send('two', { fin: true })
  t.equal(String((await next).data), 'one two')
  const pong = once(socket, 'pong')
  socket.ping('are you there')
  t.equal(String((await pong)[0]), 'are you there')
  const ping = once(socket, 'ping')
  accepted.at(-1)?.ping('and you')
  t.equal(String((await ping)[0]), 'and you')
})

t.test('the upstream sees who is asking, and nothing that the client made up', async (t) => {
  await mustDial(t, url('/me?a=%zz'), {
    headers: { ...signedIn, 'X-User-Id': 'a-lie', x_user_email: 'a-lie', 'X-Forwarded-Host': 'a-lie', 'X-Mine': '1' }
  })
  const { headers = {}, rawHeaders = [], url: target } = handshakes.at(-1) ?? {}
  t.equal(target, '/me?a=%zz')
  t.match(headers, { 'x-user-id': /^\w{32}$/, 'x-user-email': 'ada@example.com', 'x-mine': '1', host })
  t.match(headers, { cookie: 'theme=dark', origin: gateway.publicUrl, 'x-request-id': /./, 'x-forwarded-for': /./ })
  t.notOk(rawHeaders.includes('a-lie'))
  t.equal(rawHeaders.filter((name) => name.toLowerCase() === 'x-user-id').length, 1)
})

t.test('without a session an optional socket is anonymous, and a public one is even with one', async (t) => {
  await mustDial(t, url('/optional/x'), { headers: { host } })
  t.notOk('x-user-id' in (handshakes.at(-1)?.headers ?? {}))
  await mustDial(t, url('/public/x'), { headers: signedIn })
  t.notOk('x-user-id' in (handshakes.at(-1)?.headers ?? {}))
})

t.test('the gateway refuses a handshake as it refuses a request', async (t) => {
  const seen = handshakes.length
  for (const [path, headers, status, code] of [
    ['/me', { host }, 401, 'SESSION_REQUIRED'],
    ['/deny/x', { host }, 404, 'NOT_FOUND'],
    ['/public/x', { ...signedIn, origin: 'https://evil.example' }, 403, 'ORIGIN_FORBIDDEN'],
    ['/public/x', { host: 'evil.example' }, 421, 'HOST_UNKNOWN'],
    ['/public//x', { host }, 400, 'PATH_AMBIGUOUS']
  ] as const) {
    const refused = await dial(t, url(path), { headers })
    t.equal(refused.status, status)
    t.equal(refused.answer.headers['content-type'], 'application/problem+json')
    t.match(JSON.parse('body' in refused ? refused.body : '{}'), { code, status })
    t.equal(refused.answer.headers['x-request-id']?.length, 36)
  }
  t.equal(handshakes.length, seen, 'the upstream saw none of them')
})

t.test('a refusal of the upstream reaches the client as what it is', async (t) => {
  const refused = await dial(t, url('/public/refuse'), { headers: { host } })
  t.equal(refused.status, 403)
  t.equal('body' in refused && refused.body, 'nope')
  t.equal(refused.answer.headers['x-why'], 'because')
  const broken = await dial(t, url('/public/reset'), { headers: { host } })
  t.equal(broken.status, 502)
  t.match('body' in broken && broken.body, /UPSTREAM_FAILED/)
})

t.test('the upstream chooses among all subprotocols that the client offers', async (t) => {
  const protocols = ['chat.v1', 'chat.v2']
  const { socket } = await mustDial(t, url('/public/x'), { headers: { host }, protocols })
  t.equal(socket.protocol, 'chat.v2')
  t.equal(handshakes.at(-1)?.headers['sec-websocket-protocol'], 'chat.v1,chat.v2')
})

t.test('compression is agreed on end to end', async (t) => {
  const { socket, answer } = await mustDial(t, url('/public/x'), { headers: { host }, perMessageDeflate: true })
  t.match(answer.headers['sec-websocket-extensions'], /permessage-deflate/)
  const next = message(socket)
  socket.send('x'.repeat(100_000))
  t.equal((await next).data.length, 100_000)
})

t.test('close codes and reasons pass both ways', async (t) => {
  const there = await mustDial(t, url('/public/x'), { headers: { host } })
  const heard = closing(accepted.at(-1) ?? there.socket)
  there.socket.close(4001, 'I am done')
  t.same(await heard, { code: 4001, reason: 'I am done' })
  const back = await mustDial(t, url('/public/x'), { headers: { host } })
  const hearing = closing(back.socket)
  accepted.at(-1)?.close(4002, 'so am I')
  t.same(await hearing, { code: 4002, reason: 'so am I' })
})

t.test('when one side breaks off, so does the other', async (t) => {
  const first = await mustDial(t, url('/public/x'), { headers: { host } })
  const heard = closing(accepted.at(-1) ?? first.socket)
  first.socket.terminate()
  t.equal((await heard).code, 1006)
  const second = await mustDial(t, url('/public/x'), { headers: { host } })
  const hearing = closing(second.socket)
  accepted.at(-1)?.terminate()
  t.equal((await hearing).code, 1006)
})

t.test('a slow client slows the upstream down', async (t) => {
  const { socket } = await mustDial(t, url('/public/x'), { headers: { host } })
  socket.pause()
  const upstream = accepted.at(-1)
  for (let i = 0; i < 400; i++) upstream?.send(Buffer.alloc(100_000))
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.ok((upstream?.bufferedAmount ?? 0) > 10_000_000, `${upstream?.bufferedAmount} bytes wait at the upstream`)
})

t.test('frames that come together with the handshake are not lost', async (t) => {
  const wire = await openWire(gateway.port)
  t.teardown(() => wire.destroy())
  const hello = Buffer.from([0x81, 0x85, 0, 0, 0, 0, ...Buffer.from('hello')])
  const lines = ['GET /public/x HTTP/1.1', `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: WebSocket']
  const head = [
    ...lines,
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
    '',
    ''
  ]
  wire.write(Buffer.concat([Buffer.from(head.join('\r\n')), hello]))
  t.match(await wire.until(/hello/), /^HTTP\/1\.1 101 Switching Protocols\r\n/)
})

t.test('closing the gateway says goodbye to both sides', async (t) => {
  const idle = await mustDial(t, url('/public/x'), { headers: { host } })
  const upstreamIdle = accepted.at(-1)
  const heard = [closing(idle.socket), ...(upstreamIdle === undefined ? [] : [closing(upstreamIdle)])]
  await gateway.close({ delayMs: 0, timeoutMs: 30_000 })
  for (const { code } of await Promise.all(heard)) t.equal(code, 1001)
  await until(() => sockets.clients.size === 0)
})
