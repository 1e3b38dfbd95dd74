import { connect, type Socket } from 'node:net'
import t from 'tap'
import { createPublicServer } from '../../src/server/listeners.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startOpenGatewayProcess } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { askRaw } from '../support/wire.ts'

interface SlowClient {
  readonly socket: Socket
  /** Milliseconds after it connected; undefined while it is open. */
  closedAfter(): number | undefined
  received(): string
}

function slowClient(port: number): SlowClient {
  const began = performance.now()
  let closed: number | undefined
  let received = ''
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    received += chunk
  })
  socket.on('close', () => {
    closed = performance.now() - began
  })
  t.teardown(() => socket.destroy())
  return { socket, closedAfter: () => closed, received: () => received }
}

t.test('a thousand slow clients are cut off in time, and nobody else has to wait', async (t) => {
  const upstream = await startEchoUpstream(t)
  const gateway = await startOpenGatewayProcess(t, upstream.url, { CLIENT_TIMEOUT: '5' })
  const { port } = gateway
  const host = `Host: ${new URL(gateway.publicUrl).host}`
  const quick = async () => {
    const began = performance.now()
    t.equal((await askRaw(port, 'GET /public/quick HTTP/1.1', [host])).status, 200)
    return performance.now() - began
  }
  await quick()

  const kinds = {
    silent: [] as SlowClient[],
    'a header at a time': [] as SlowClient[],
    'a letter at a time': [] as SlowClient[],
    'half a body': [] as SlowClient[]
  }
  for (let i = 0; i < 1_000; i++) {
    const client = slowClient(port)
    if (i % 4 === 0) kinds.silent.push(client)
    else if (i % 4 === 1) kinds['a header at a time'].push(client)
    else if (i % 4 === 2) kinds['a letter at a time'].push(client)
    else kinds['half a body'].push(client)
  }
  const all = Object.values(kinds).flat()
  for (const { socket } of [...kinds['a header at a time'], ...kinds['a letter at a time']]) {
    socket.write(`GET /public/slow HTTP/1.1\r\n${host}\r\n`)
  }
  for (const { socket } of kinds['half a body']) {
    socket.write(`POST /public/slow HTTP/1.1\r\n${host}\r\nContent-Length: 10\r\n\r\nabc`)
  }
  const trickle = setInterval(() => {
    for (const { socket } of kinds['a header at a time']) if (socket.writable) socket.write('X-A: b\r\n')
    for (const { socket } of kinds['a letter at a time']) if (socket.writable) socket.write('x')
  }, 1_000)
  t.teardown(() => clearInterval(trickle))

  const waits: number[] = []
  await until(async () => {
    waits.push(await quick())
    await new Promise((resolve) => setTimeout(resolve, 250))
    return all.every((client) => client.closedAfter() !== undefined)
  }, 120_000)
  clearInterval(trickle)

  const ends = (kind: keyof typeof kinds) => kinds[kind].map((client) => client.closedAfter() ?? 0)
  for (const kind of ['silent', 'a header at a time', 'a letter at a time'] as const) {
    t.ok(Math.min(...ends(kind)) > 14_000, `${kind}: cut off 15 s after it began, not before`)
    t.ok(Math.max(...ends(kind)) < 45_000, `${kind}: nor long after`)
    t.ok(Math.max(...ends('half a body')) < Math.min(...ends(kind)), 'half a body: cut off earlier')
  }
  t.ok(Math.min(...ends('half a body')) > 4_000, 'half a body: cut off after CLIENT_TIMEOUT')
  t.ok(kinds['half a body'].every((client) => client.received().startsWith('HTTP/1.1 408 ')))
  t.ok(kinds['a letter at a time'].every((client) => client.received().startsWith('HTTP/1.1 408 ')))
  waits.sort((a, b) => a - b)
  const median = waits[Math.floor(waits.length / 2)] ?? 0
  t.ok(median < 1_000, `others waited ${Math.round(median)} ms (median of ${waits.length})`)
  t.comment(`others waited ${Math.round(median)} ms, at most ${Math.round(waits.at(-1) ?? 0)} ms`)
  t.equal(gateway.child.exitCode, null)
})

t.test('the limits are those of the contract', async (t) => {
  const server = createPublicServer()
  t.equal(server.headersTimeout, 15_000)
  t.ok(server.requestTimeout === 0, 'a body may take as long as it keeps coming')
})
