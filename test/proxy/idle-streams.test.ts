import { createServer } from 'node:http'
import t from 'tap'
import { Pool } from 'undici'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { openWire } from '../support/wire.ts'

// What the control waits before it cuts; the silence is twice as long, and longer than any limit that the gateway is given.
const limitMs = 2_000
const silenceMs = 4_000

const upstream = await startEchoUpstream(t, (asked, response) => {
  if (asked.headers['upgrade'] === undefined) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    response.write('data: first\n\n')
    setTimeout(() => response.write('data: second\n\n'), silenceMs).unref()
  }
})
upstream.server.on('upgrade', (_request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  socket.write(Buffer.from([0x81, 5, ...Buffer.from('first')]))
  setTimeout(() => socket.write(Buffer.from([0x81, 6, ...Buffer.from('second')])), silenceMs).unref()
  socket.on('error', () => socket.destroy())
  t.teardown(() => socket.destroy())
})
const gateway = await startTestGateway(t, {
  upstreamUrl: upstream.url,
  env: { ...noDatabase, CLIENT_TIMEOUT: '1', UPSTREAM_TIMEOUT: '1' }
})
const host = `Host: ${new URL(gateway.publicUrl).host}`

/** The same path with the limit that HTTP clients come with, only shorter. */
async function startLimited(): Promise<number> {
  const pool = new Pool(upstream.url, { bodyTimeout: limitMs })
  const server = createServer((asked, response) => {
    pool
      .stream({ path: asked.url ?? '', method: 'GET', opaque: response }, ({ statusCode, headers }) => {
        response.writeHead(statusCode, headers as Record<string, string>)
        return response
      })
      .catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.close()
    server.closeAllConnections()
    await pool.destroy()
  })
  const address = server.address()
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

const events = async (port: number) => {
  const wire = await openWire(port)
  t.teardown(() => wire.destroy())
  const began = performance.now()
  wire.write(`GET /public/events HTTP/1.1\r\n${host}\r\n\r\n`)
  await wire.until(/data: first/)
  return { wire, firstAfter: performance.now() - began }
}

t.test('an event stream is delivered at once and stays open however long it is silent; the control cuts', async (t) => {
  const control = await startLimited()
  const [open, limited] = await Promise.all([events(gateway.port), events(control)])
  t.ok(open.firstAfter < silenceMs / 2, `the first event came after ${Math.round(open.firstAfter)} ms`)
  const cut = await limited.wire.closed(silenceMs * 3)
  t.notMatch(cut, /second/, 'a proxy with a limit does cut')
  t.notMatch(open.wire.received(), /second/)
  await open.wire.until(/data: second\n\n/, silenceMs * 3)
  open.wire.destroy()
})

t.test('so does a WebSocket', async () => {
  const wire = await openWire(gateway.port)
  t.teardown(() => wire.destroy())
  wire.write(
    `GET /public/ws HTTP/1.1\r\n${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n`
  )
  await wire.until(/first/)
  await wire.until(/second/, silenceMs * 3)
})
