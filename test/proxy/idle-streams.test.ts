import { createServer } from 'node:http'
import t from 'tap'
import { Pool } from 'undici'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { openWire } from '../support/wire.ts'

// What the control waits before it cuts, and the gateway's own limits. The silence is at least twice as long.
const limitMs = 2_000
const silenceMs = 4_000

// What comes after the silence.
const endings: (() => void)[] = []
const sayTheRest = () => {
  for (const say of endings.splice(0)) say()
}
const upstream = await startEchoUpstream(t, (asked, response) => {
  if (asked.headers['upgrade'] === undefined) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    response.write('data: first\n\n')
    endings.push(() => response.write('data: second\n\n'))
  }
})
upstream.server.on('upgrade', (_request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  socket.write(Buffer.from([0x81, 5, ...Buffer.from('first')]))
  endings.push(() => socket.write(Buffer.from([0x81, 6, ...Buffer.from('second')])))
  socket.on('error', () => socket.destroy())
  t.teardown(() => socket.destroy())
})
const gateway = await startTestGateway(t, {
  upstreamUrl: upstream.url,
  env: { ...noDatabase, CLIENT_TIMEOUT: '2', UPSTREAM_TIMEOUT: '2' }
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
  wire.write(`GET /public/events HTTP/1.1\r\n${host}\r\n\r\n`)
  // Nothing follows it before it is here.
  await wire.until(/data: first/)
  return wire
}

const silence = () => new Promise((resolve) => setTimeout(resolve, silenceMs))

t.test('an event stream is delivered at once and stays open however long it is silent; the control cuts', async (t) => {
  const control = await startLimited()
  const [open, limited] = await Promise.all([events(gateway.port), events(control)])
  const [cut] = await Promise.all([limited.closed(60_000), silence()])
  t.match(cut, /data: first\n\n/, 'a proxy with a limit does cut')
  sayTheRest()
  await open.until(/data: second\n\n/)
  open.destroy()
})

t.test('so does a WebSocket', async () => {
  const wire = await openWire(gateway.port)
  t.teardown(() => wire.destroy())
  wire.write(
    `GET /public/ws HTTP/1.1\r\n${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n`
  )
  await wire.until(/first/)
  await silence()
  sayTheRest()
  await wire.until(/second/)
})
