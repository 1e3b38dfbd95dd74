import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { until } from '../support/until.ts'

// The upstream takes the handshake, and then nothing until it is told to.
let taken = 0
let upstreamSocket: Socket | undefined
const upstream = createServer()
upstream.on('upgrade', (_request, socket: Socket, head) => {
  taken += head.length
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    taken += chunk.length
  })
  socket.pause()
  upstreamSocket = socket
})
await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
t.teardown(() => {
  upstreamSocket?.destroy()
  upstream.close()
})
const address = upstream.address()
const gateway = await startTestGateway(t, {
  upstreamUrl: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
  env: noDatabase
})

t.test('a slow upstream slows the client down, and then gets every byte', async (t) => {
  const total = 64_000_000
  const client = connect(gateway.port, '127.0.0.1')
  t.teardown(() => client.destroy())
  client.write(
    `GET /public/x HTTP/1.1\r\nHost: ${new URL(gateway.publicUrl).host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n'
  )
  await new Promise((resolve) => client.once('data', resolve))

  // One binary message (RFC 6455, section 5.2) that is longer than all buffers on its way.
  const head = Buffer.alloc(14)
  head[0] = 0x82
  head[1] = 0xff
  head.writeBigUInt64BE(BigInt(total), 2)
  client.write(head)
  const piece = randomBytes(64_000)
  let sent = 0
  const send = () => {
    while (sent < total) {
      sent += piece.length
      if (!client.write(piece)) {
        client.once('drain', send)
        return
      }
    }
  }
  send()

  let before = -1
  await until(async () => {
    before = sent
    await new Promise((resolve) => setTimeout(resolve, 300))
    return sent === before
  }, 60_000)
  t.ok(sent < 32_000_000, `${sent} bytes are on their way`)
  t.equal(taken, 0)

  upstreamSocket?.resume()
  await until(() => taken === total + head.length, 60_000)
  t.equal(sent, total)
})
