import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { WebSocketServer } from 'ws'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createLoadClient, load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { closing, mustDial } from '../support/websocket.ts'
import { migratedDatabase } from '../support/workers.ts'

const database = await migratedDatabase(t)

for (const workers of ['1', '2']) {
  t.test(`SIGTERM under load loses no request that was accepted, with WORKERS=${workers}`, async (t) => {
    const held: (() => void)[] = []
    const upstream = await startEchoUpstream(t, (request, response) => {
      request.resume()
      if (request.url === '/late') held.push(() => response.end('late'))
      else if (request.url === '/stream') {
        response.write('a stream')
        held.push(() => response.end(' and its end'))
      } else request.on('end', () => response.end('ok'))
    })
    const webSockets = new WebSocketServer({ server: upstream.server })
    t.teardown(() => webSockets.close())
    const gateway = await startGatewayProcess(t, {
      WORKERS: workers,
      DATABASE_URL: database,
      DATA_DIR: t.testdir(),
      UPSTREAM_URL: upstream.url,
      DRAIN_DELAY: '5',
      DRAIN_TIMEOUT: '60'
    })
    const { publicUrl, adminUrl } = gateway
    const ada = new Browser(publicUrl, publicUrl)
    t.equal((await ada.signUp(`ada-${workers}`)).status, 200)
    const headers = { cookie: ada.cookieHeader, origin: publicUrl }
    const { socket } = await mustDial(t, `${publicUrl.replace('http', 'ws')}/chat`, { headers })
    const goodbye = closing(socket)
    const readyz = async () => (await fetch(`${adminUrl}/readyz`)).status

    // As behind a balancer: it takes a moment to notice, and then opens no new connection.
    let noticed = Number.POSITIVE_INFINITY
    let told = 0
    const running = load(
      t,
      publicUrl,
      [
        { path: '/me', headers },
        { path: '/items', method: 'POST', headers, body: 'x'.repeat(20_000) }
      ],
      (last) => {
        if (last?.keepsAlive !== false) return true
        told++
        return Date.now() < noticed
      }
    )
    const waiting = createLoadClient(t, publicUrl)
    const watching = createLoadClient(t, publicUrl)
    const late = waiting.ask({ path: '/late', headers })
    const stream = watching.ask({ path: '/stream', headers })
    await until(() => held.length === 2)
    await wait(200)

    gateway.child.kill('SIGTERM')
    await until(async () => (await readyz()) === 503)
    noticed = Date.now() + 1_000
    const { answered, failures } = await running
    t.same(failures, [])
    t.ok(told > 12, `${told} of ${answered} answers said that the connection closes, new connections among them`)

    t.same(await goodbye, { code: 1001, reason: 'going away' })
    for (const answer of held) answer()
    t.match(await late, { status: 200, text: 'late', keepsAlive: false })
    // Its headers were sent before anybody knew, so its client takes the connection for one that is kept alive.
    t.match(await stream, { status: 200, text: 'a stream and its end', keepsAlive: true })
    await wait(150)
    t.match(await watching.ask({ path: '/me', headers }), { status: 200, keepsAlive: false })
    t.equal(await gateway.exited(), 0)
    t.equal(gateway.stderr(), '')
  })
}
