import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { startTestGateway } from '../support/gateway.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { askRaw, openWire } from '../support/wire.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
let heads: string[] = []
let dieOn: (head: string, socket: Socket) => boolean = () => false
const upstream = await startRawUpstream(t, ({ socket }, head) => {
  heads.push(head)
  if (dieOn(head, socket)) return
  const path = head.split(' ')[1] ?? ''
  const say: Record<string, string> = {
    '/public/garbage': 'what?\r\n\r\n',
    '/public/half-head': 'HTTP/1.1 200 OK\r\nContent-Le',
    '/public/two-lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc',
    '/public/smuggle': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    '/public/fat-head': `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
    '/public/switch': 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    '/public/busy': 'HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy',
    '/public/short': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc',
    '/public/bad-chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n',
    '/public/not-modified': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: "a"\r\n\r\n',
    '/public/too-much': `${ok}${ok.replace('\nok', '\nNO')}`
  }
  const bytes = say[path]
  socket.write(bytes ?? ok)
  if (bytes !== undefined && path !== '/public/too-much') socket.end()
})
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const unused = await startTestGateway(t, { upstreamUrl: 'http://127.0.0.1:1' })
const host = (url: string) => `Host: ${new URL(url).host}`

function ask(path: string, method = 'GET', headers: readonly string[] = [], body = '') {
  heads = []
  return askRaw(gateway.port, `${method} ${path} HTTP/1.1`, [host(gateway.publicUrl), ...headers], body)
}

t.beforeEach(() => {
  dieOn = () => false
})

t.test('an upstream that cannot be reached is 502 UPSTREAM_UNREACHABLE, for requests and upgrades', async (t) => {
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: eA==']
  for (const [method, headers, body] of [
    ['GET', [], ''],
    ['POST', ['Content-Length: 3'], 'abc'],
    ['GET', upgrade, '']
  ] as const) {
    const headersToSend = [host(unused.publicUrl), ...headers]
    const answer = await askRaw(unused.port, `${method} /public/x HTTP/1.1`, headersToSend, body)
    t.equal(answer.status, 502)
    t.match(answer.json(), { code: 'UPSTREAM_UNREACHABLE' })
    t.equal(answer.only('content-type'), 'application/problem+json')
  }
})

t.test('an answer that breaks before its headers are through is 502 UPSTREAM_FAILED', async (t) => {
  for (const path of ['garbage', 'half-head', 'two-lengths', 'smuggle', 'fat-head', 'switch']) {
    const answer = await ask(`/public/${path}`)
    t.equal(answer.status, 502, path)
    t.match(answer.json(), { code: 'UPSTREAM_FAILED' }, path)
    t.equal(answer.only('cache-control'), 'no-store')
  }
})

t.test('an answer that breaks later is cut, and never looks complete', async (t) => {
  for (const path of ['short', 'bad-chunk']) {
    const wire = await openWire(gateway.port)
    wire.write(`GET /public/${path} HTTP/1.1\r\n${host(gateway.publicUrl)}\r\n\r\n`)
    const received = await wire.closed()
    t.match(received, /200 OK[\s\S]*abc/, path)
    t.notMatch(received, /\r\n0\r\n/, path)
  }
})

t.test('a 304 that tells the length of what it is about is an answer like any other', async (t) => {
  const wire = await openWire(gateway.port)
  for (let i = 0; i < 2; i++) wire.write(`GET /public/not-modified HTTP/1.1\r\n${host(gateway.publicUrl)}\r\n\r\n`)
  t.match(await wire.until(/304 [\s\S]*304 [\s\S]*\r\n\r\n/), /content-length: 500/i)
  wire.destroy()
})

t.test('a body that ends with its connection is not whole when the connection is reset', async (t) => {
  dieOn = (_head, socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\nabc', () => setImmediate(() => socket.resetAndDestroy()))
    return true
  }
  const wire = await openWire(gateway.port)
  wire.write(`GET /public/reset HTTP/1.1\r\n${host(gateway.publicUrl)}\r\n\r\n`)
  t.notMatch(await wire.closed(), /\r\n0\r\n/)
  const old = connect(gateway.port, '127.0.0.1', () =>
    old.write(`GET /public/reset HTTP/1.0\r\n${host(gateway.publicUrl)}\r\n\r\n`)
  )
  const [error] = await once(old.resume(), 'error')
  t.equal(error.code, 'ECONNRESET')
})

t.test(
  'a connection that was kept alive and turns out to be closed is tried once more, for a safe method',
  async (t) => {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      t.equal((await ask('/public/first')).status, 200)
      let deaths = 0
      dieOn = (_head, socket) => deaths++ === 0 && socket.destroy() === socket
      t.equal((await ask('/public/second', method)).status, 200, method)
      t.equal(heads.length, 2, method)
      dieOn = (_head, socket) => socket.destroy() === socket
      const answer = await ask('/public/third', method)
      t.equal(answer.status, 502, method)
      if (method !== 'HEAD') t.match(answer.json(), { code: 'UPSTREAM_FAILED' })
      t.equal(heads.length, 2, `${method} is sent twice at most`)
      dieOn = () => false
    }
  }
)

t.test('and never for one that may have changed something', async (t) => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    for (const [headers, body] of [
      [['Content-Length: 0'], ''],
      [['Content-Length: 3'], 'abc']
    ] as const) {
      dieOn = (_head, socket) => socket.destroy() === socket
      const answer = await ask('/public/x', method, headers, body)
      t.equal(answer.status, 502, method)
      t.match(answer.json(), { code: 'UPSTREAM_FAILED' })
      t.equal(heads.length, 1, `${method} is sent once`)
    }
  }
})

t.test('an upstream that says itself that it is busy is asked once', async (t) => {
  const answer = await ask('/public/busy')
  t.same([answer.status, answer.body, answer.only('retry-after'), heads.length], [503, 'busy', '1', 1])
})

t.test('what an upstream says beyond its answer never reaches the next person', async (t) => {
  for (let i = 0; i < 5; i++) {
    t.equal((await ask('/public/too-much')).body, 'ok')
    t.equal((await ask('/public/next')).body, 'ok')
  }
  const { socket } = upstream.connections.at(-1) ?? {}
  t.equal((await ask('/public/next')).body, 'ok')
  socket?.write(ok.replace('\nok', '\nNO'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal((await ask('/public/next')).body, 'ok')
})

t.test('the log names the failure and its cause', async (t) => {
  await until(() => /"code":"UPSTREAM_FAILED"/.test(gateway.logged()))
  t.match(unused.logged(), /"code":"UPSTREAM_UNREACHABLE".*ECONNREFUSED/)
})
