import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { startOpenGatewayProcess } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { askRaw } from '../support/wire.ts'

const count = 1_000

// One server for both: events to whoever asks for them, frames to whoever upgrades, all said at once by `say`.
const listeners = new Set<(text: string) => void>()
const say = (text: string) => {
  for (const listener of listeners) listener(text)
}
const upstream = createServer((request, response) => {
  if (request.url?.startsWith('/public/events') !== true) {
    response.end('quick')
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('data: hello\n\n')
  const listener = (text: string) => response.write(`data: ${text}\n\n`)
  listeners.add(listener)
  response.on('close', () => listeners.delete(listener))
})
upstream.on('upgrade', (request, socket) => {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
  )
  const listener = (text: string) => socket.write(Buffer.from([0x81, text.length, ...Buffer.from(text)]))
  listener('hello')
  listeners.add(listener)
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  socket.on('close', () => listeners.delete(listener))
  socket.resume()
})
await new Promise<void>((resolve) => upstream.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, resolve))
t.teardown(() => {
  upstream.close()
  upstream.closeAllConnections()
})
const address = upstream.address()
const port = typeof address === 'object' ? address?.port : 0

t.test('a thousand event streams and a thousand WebSockets at once keep nobody waiting', async (t) => {
  const gateway = await startOpenGatewayProcess(t, `http://127.0.0.1:${port}`, { LIVE_CONNECTIONS_PER_ADDRESS: '3000' })
  const host = `Host: ${new URL(gateway.publicUrl).host}`
  const upgrade =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

  const clients: { socket: Socket; received: string }[] = []
  function open(path: string, more: string): void {
    const socket = connect(gateway.port, '127.0.0.1')
    const client = { socket, received: '' }
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      client.received += text
    })
    socket.on('error', () => socket.destroy())
    socket.write(`GET ${path} HTTP/1.1\r\n${host}\r\n${more}\r\n`)
    clients.push(client)
  }
  t.teardown(() => {
    for (const { socket } of clients) socket.destroy()
  })

  const quick = async () => {
    const began = performance.now()
    const answer = await askRaw(gateway.port, 'GET /public/quick HTTP/1.1', [host])
    t.equal(answer.body, 'quick')
    return performance.now() - began
  }
  const median = async () => {
    const times: number[] = []
    for (let i = 0; i < 15; i++) times.push(await quick())
    return times.sort((a, b) => a - b)[7] ?? 0
  }
  await quick()
  const alone = await median()

  for (let i = 0; i < count; i++) {
    open(`/public/events?${i}`, '')
    open(`/public/socket?${i}`, upgrade)
    // As fast as the operating system's queue of new connections allows.
    if (i % 100 === 99) await until(() => clients.every(({ received }) => received.includes('hello')), 60_000)
  }
  t.equal(clients.filter(({ received }) => received.startsWith('HTTP/1.1 200 ')).length, count)
  t.equal(clients.filter(({ received }) => received.startsWith('HTTP/1.1 101 ')).length, count)
  t.equal(listeners.size, 2 * count, 'each has an upstream connection of its own')

  const among = await median()
  t.comment(`a request takes ${alone.toFixed(1)} ms alone and ${among.toFixed(1)} ms among ${2 * count} open ones`)
  t.ok(among < 1_000, `${among} ms among them, ${alone} ms alone`)

  say('everybody')
  await until(() => clients.every(({ received }) => received.includes('everybody')), 60_000)
  t.notOk(
    clients.some(({ socket }) => socket.destroyed),
    'all of them are open'
  )

  for (const { socket } of clients) socket.destroy()
  await until(() => listeners.size === 0, 60_000)
  await quick()
})
