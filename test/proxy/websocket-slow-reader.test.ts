import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { startTestGateway } from '../support/gateway.ts'
import type { Teardown } from '../support/postgres.ts'
import { noDatabase } from '../support/processes.ts'
import { until } from '../support/until.ts'

// Frames of 1,000 bytes and a close frame, as servers and as clients send them.
const fromServer = [Buffer.from([0x82, 126, 0x03, 0xe8]), Buffer.from([0x88, 2, 0x03, 0xe8])] as const
const fromClient = [
  Buffer.from([0x82, 254, 0x03, 0xe8, 0, 0, 0, 0]),
  Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])
] as const
// More than the system holds on the way. It takes hundreds of kilobytes at once when there is room again: with a length
// every 60, some end while bytes wait in the gateway.
const lengths = Array.from({ length: 20 }, (_, i) => 8_000 + i * 60)
const spoken = ([head, closing]: readonly [Buffer, Buffer], messages: number) => {
  const message = Buffer.concat([head, Buffer.alloc(1_000, 'a')])
  return Buffer.concat([Buffer.alloc(message.length * messages, message), closing])
}

let onUpgrade: (socket: Socket, messages: number) => void = () => {}
const upstream = createServer()
upstream.on('upgrade', ({ url }, socket: Socket) => {
  t.teardown(() => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  onUpgrade(socket, Number(url?.split('/').pop()))
})
await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
t.teardown(() => upstream.close())
const address = upstream.address()
const gateway = await startTestGateway(t, {
  upstreamUrl: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
  env: noDatabase
})

function open(t: Teardown, messages: number): Socket {
  const client = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => client.destroy())
  client.on('error', () => client.destroy())
  client.write(
    `GET /public/${messages} HTTP/1.1\r\nHost: ${new URL(gateway.publicUrl).host}\r\nConnection: Upgrade\r\n` +
      'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n'
  )
  return client
}

/** Reads slowly, so that there is always something on its way, at the end too; answers how much, and how it ended. */
async function readSlowly(socket: Socket): Promise<{ bytes: number; end: string; how: 'ended' | 'broken' }> {
  let bytes = 0
  let last = Buffer.alloc(0)
  socket.on('data', (part: Buffer) => {
    bytes += part.length
    last = Buffer.concat([last, part]).subarray(-12)
    socket.pause()
    setTimeout(() => socket.resume(), 5)
  })
  socket.resume()
  await new Promise((resolve) => socket.once('end', resolve).once('close', resolve))
  return { bytes, end: last.toString('hex'), how: socket.readableEnded ? 'ended' : 'broken' }
}

const wholeOf = (sent: Buffer) => ({ bytes: sent.length, end: sent.subarray(-12).toString('hex'), how: 'ended' })

t.test('a slow client gets everything that the upstream said before it hung up', async (t) => {
  onUpgrade = (socket, messages) => {
    socket.end(spoken(fromServer, messages))
    socket.once('finish', () => socket.destroy())
  }
  const results = await Promise.all(
    lengths.map(async (messages) => {
      const client = open(t, messages)
      const [head] = await new Promise<Buffer[]>((resolve) => client.once('data', (...data) => resolve(data)))
      client.pause()
      const early = (head?.length ?? 0) - (head?.indexOf('\r\n\r\n') ?? 0) - 4
      const read = await readSlowly(client)
      client.end()
      await until(() => client.closed)
      return { ...read, bytes: read.bytes + early }
    })
  )
  t.same(
    results,
    lengths.map((messages) => wholeOf(spoken(fromServer, messages)))
  )
})

t.test('a slow upstream gets everything that the client said before it hung up', async (t) => {
  const results = new Map<number, Awaited<ReturnType<typeof readSlowly>>>()
  onUpgrade = async (socket, messages) => {
    results.set(messages, await readSlowly(socket))
    socket.end()
  }
  for (const messages of lengths) {
    const client = open(t, messages)
    client.once('data', () => {
      client.end(spoken(fromClient, messages))
      client.once('finish', () => client.destroy())
    })
  }
  await until(() => results.size === lengths.length)
  t.same(
    lengths.map((messages) => results.get(messages)),
    lengths.map((messages) => wholeOf(spoken(fromClient, messages)))
  )
})
