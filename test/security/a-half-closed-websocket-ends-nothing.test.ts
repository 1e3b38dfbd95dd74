import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { makeEmbedded } from '../support/embedded-database.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import type { Teardown } from '../support/postgres.ts'
import { until } from '../support/until.ts'

// An app that takes handshakes, and reads nothing that comes after them.
const accepted = new Set<Socket>()
const app = createServer((_request, response) => response.end('ok'))
app.on('upgrade', (_request, socket: Socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  accepted.add(socket.pause())
  socket.on('error', () => socket.destroy()).on('close', () => accepted.delete(socket))
})
// Over a Unix socket little is on its way, and it is the same everywhere.
const socketPath = join(t.testdir(), 'app.sock')
await new Promise<void>((resolve) => app.listen(socketPath, resolve))
t.teardown(() => {
  for (const socket of accepted) socket.destroy()
  app.close()
})
const start = async (t: Teardown, env: Record<string, string> = {}) =>
  startGatewayProcess(t, { UPSTREAM_URL: `unix:${socketPath}`, DATA_DIR: await makeEmbedded(t), ...env })

/**
 * Clients that fill the way to the app and say that they are done: one a step, so that for some of them all has
 * reached the gateway and a part waits there.
 */
async function halfClosed(t: Teardown, { port, publicUrl }: GatewayProcess, path: string, cookie: string) {
  const clients: Socket[] = []
  for (let bytes = 0; bytes <= 800_000; bytes += 131 * 200) {
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    t.teardown(() => client.destroy())
    client.on('error', () => client.destroy())
    client.write(
      `GET ${path} HTTP/1.1\r\nHost: ${new URL(publicUrl).host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Cookie: ${cookie}\r\nOrigin: ${publicUrl}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n`
    )
    await new Promise((resolve) => client.once('data', resolve))
    // Whole frames: 125 masked bytes each.
    client.end(Buffer.alloc(bytes, Buffer.concat([Buffer.from([0x82, 0xfd]), Buffer.alloc(129)])))
    clients.push(client.resume())
  }
  return clients
}

t.test('a client that half-closes before an app that does not read, and signs out, ends its own sockets', async (t) => {
  const gateway = await start(t)
  const ada = new Browser(gateway.publicUrl, gateway.publicUrl)
  const mary = new Browser(gateway.publicUrl, gateway.publicUrl)
  await ada.signUp('ada')
  await mary.signUp('mary')
  const clients = await halfClosed(t, gateway, '/chat', ada.cookieHeader)
  t.equal((await ada.signOut()).status, 200)
  await until(() => clients.every((client) => client.closed) || gateway.child.exitCode !== null)
  t.equal(gateway.child.exitCode, null, gateway.stderr())
  t.equal((await mary.ask('/me')).status, 200)
})

t.test('a stranger who half-closes breaks no drain', async (t) => {
  const gateway = await start(t, { DRAIN_DELAY: '0', DRAIN_TIMEOUT: '30' })
  await halfClosed(t, gateway, '/public/chat', '')
  gateway.child.kill('SIGTERM')
  t.equal(await gateway.exited(), 0)
  t.equal(gateway.stderr(), '')
})
