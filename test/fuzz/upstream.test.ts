import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import { noDatabase } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { askRaw } from '../support/wire.ts'
import { brokenAnswer } from './answers.ts'
import { startFuzzedGateway } from './process.ts'
import { createRandom } from './random.ts'

const seconds = Number(process.env['FUZZ_SECONDS'] ?? 5)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() & 0x7fffffff)
const random = createRandom(seed)
const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n'

t.test('broken answers of an upstream leave the gateway as it was', async (t) => {
  t.setTimeout((seconds + 270) * 1_000)
  t.comment(`FUZZ_SEED=${seed} FUZZ_SECONDS=${seconds}`)
  const latest: string[] = []
  const sockets = new Set<Socket>()
  const upstream = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.on('data', (request) => {
      if (request.includes('/public/clean')) {
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nclean')
        return
      }
      const answer = brokenAnswer(random)
      latest.push(answer.toString('latin1').slice(0, 400))
      if (latest.length > 20) latest.shift()
      const cut = random.chance(0.3) ? random.below(answer.length) : answer.length
      socket.write(answer.subarray(0, cut))
      if (cut < answer.length) setTimeout(() => socket.write(answer.subarray(cut)), 3)
      const then = random.below(10)
      if (then < 4) setTimeout(() => socket.end(), 5)
      else if (then < 5) setTimeout(() => socket.resetAndDestroy(), 5)
    })
  })
  await once(upstream.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    upstream.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = upstream.address()
  const folder = t.testdir({
    'policy.ts': "export default { routes: [{ path: '/public/*', access: 'public' }], auth: {} }\n"
  })
  const gateway = await startFuzzedGateway(t, {
    ...noDatabase,
    DATA_DIR: `${folder}/data`,
    GATEHOUSE_CONFIG: `${folder}/policy.ts`,
    UPSTREAM_URL: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    UPSTREAM_TIMEOUT: '2',
    DRAIN_DELAY: '0',
    DRAIN_TIMEOUT: '1'
  })
  const host = `Host: ${new URL(gateway.publicUrl).host}`
  const isClean = async () => (await askRaw(gateway.port, 'GET /public/clean HTTP/1.1', [host])).body === 'clean'
  t.ok(await isClean())
  const before = await gateway.holdings()

  const deadline = Date.now() + seconds * 1_000
  let asked = 0
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while ((Date.now() < deadline || asked <= 100) && gateway.isAlive()) {
        asked++
        const method = random.pick(['GET', 'GET', 'HEAD', 'POST'])
        const more = method === 'GET' && random.chance(0.4) ? upgrade : method === 'POST' ? 'Content-Length: 3\r\n' : ''
        const version = more !== upgrade && random.chance(0.1) ? '1.0' : '1.1'
        const body = method === 'POST' ? 'abc' : ''
        await exchange(gateway.port, `${method} /public/x HTTP/${version}\r\n${host}\r\n${more}\r\n${body}`)
      }
    })
  )
  t.comment(`${asked} answers`)
  t.ok(asked > 100, `${asked} answers`)
  if (!t.ok(gateway.isAlive(), 'it runs')) t.comment(JSON.stringify(latest))
  else {
    await until(isClean)
    await until(async () => {
      const after = await gateway.holdings()
      return before === undefined || after === undefined || after.descriptors <= before.descriptors + 10
    }, 60_000)
    t.equal(await gateway.stop(), 0)
  }
  t.same(gateway.complaints, [])
})

/** Sends one request, and leaves once nothing more comes or in the middle. */
function exchange(port: number, request: string): Promise<void> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    const patience = setTimeout(() => socket.destroy(), random.chance(0.2) ? random.below(8) : 40)
    socket.on('data', () => {})
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      clearTimeout(patience)
      done()
    })
  })
}
