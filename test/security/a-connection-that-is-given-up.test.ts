import { connect } from 'node:net'
import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { openWire } from '../support/wire.ts'

const upstream = await startEchoUpstream(t, (request, response) => {
  if (request.url === '/public/half') {
    response.writeHead(200, { 'content-length': 1_000 })
    response.write('half')
  } else setTimeout(() => response.end('<answered>'), 200)
})
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: noDatabase })
const host = `Host: ${new URL(gateway.publicUrl).host}`
const get = (path: string) => `GET ${path} HTTP/1.1\r\n${host}\r\n\r\n`
const tunnel = `CONNECT a:1 HTTP/1.1\r\n${host}\r\n\r\n`

t.test('a refusal never becomes a part of an answer that is on its way', async (t) => {
  for (const [nonsense, name] of [
    ['garbage\r\n\r\n', 'garbage'],
    [tunnel, 'a tunnel'],
    [`GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`, 'an endless head']
  ] as const) {
    const wire = await openWire(gateway.port)
    wire.write(get('/public/half'))
    await wire.until(/half/)
    wire.write(nonsense)
    const received = await wire.closed()
    t.match(received, /^HTTP\/1\.1 200 OK\r\n/, name)
    t.ok(received.endsWith('\r\n\r\nhalf'), `${name}: ${received.slice(-60)}`)
  }
  await until(() => upstream.requests.every(({ socket, url }) => url !== '/public/half' || socket.destroyed))
})

t.test('a client that is refused is let go, even if it does not leave', async (t) => {
  for (const bytes of [tunnel, 'garbage\r\n\r\n', `${tunnel}and on and on`]) {
    const began = performance.now()
    const socket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true })
    t.teardown(() => socket.destroy())
    let received = ''
    let closed = false
    socket.on('data', (text) => {
      received += text
    })
    socket.on('error', () => {
      closed = true
    })
    socket.on('close', () => {
      closed = true
    })
    socket.write(bytes)
    // It never ends its own side, and only notices that the other is gone when it says something.
    await until(() => {
      if (/"code":/.test(received)) socket.write('more')
      return closed
    })
    t.match(received, /^HTTP\/1\.1 4\d\d /)
    // A second, where one that said nothing would have fifteen.
    t.ok(performance.now() - began < 12_000)
  }
})

t.test('a client that resets its connection at any moment ends nothing but that', async (t) => {
  for (const bytes of [
    tunnel,
    `${tunnel}xxx`,
    get('/public/x') + tunnel,
    'garbage\r\n\r\n',
    get('/public/x').repeat(3)
  ]) {
    for (let i = 0; i < 6; i++) {
      const socket = connect(gateway.port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write(bytes)
      await new Promise((resolve) => setTimeout(resolve, i))
      socket.resetAndDestroy()
    }
  }
  const wire = await openWire(gateway.port)
  wire.write(get('/public/x'))
  t.match(await wire.until(/<answered>/), /^HTTP\/1\.1 200 /)
  wire.destroy()
})

t.test('one connection has the upstream work on one request at a time', async (t) => {
  await until(() => upstream.requests.every(({ socket, complete }) => complete || socket.destroyed))
  const seen = upstream.requests.length
  const wire = await openWire(gateway.port)
  wire.write(get('/public/x').repeat(100))
  await wire.until(/(?:<answered>[\s\S]*){3}/)
  t.ok(upstream.requests.length - seen <= 5, `${upstream.requests.length - seen} requests`)
  const connections = await new Promise<number>((resolve) =>
    upstream.server.getConnections((_error, number) => resolve(number))
  )
  t.ok(connections < 10, `${connections} connections`)
  wire.destroy()
})
