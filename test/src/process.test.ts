import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { makeEmbedded } from '../support/embedded-database.ts'
import { spawnGateway, startGatewayProcess } from '../support/gateway-process.ts'
import { startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

t.test(
  'SIGTERM: not ready at once, then what is in flight is finished, WebSockets close with 1001, exit 0',
  async (t) => {
    let answerSlowly: (() => void) | undefined
    const upstream = await startEchoUpstream(t, (request, response) => {
      if (request.url === '/slow') answerSlowly = () => response.end('done')
      else response.end('ok')
    })
    const sockets = new WebSocketServer({ server: upstream.server })
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
    const gateway = await startGatewayProcess(t, {
      UPSTREAM_URL: upstream.url,
      DATA_DIR: await makeEmbedded(t),
      // Time enough for a few requests, however busy the machine.
      DRAIN_DELAY: '5',
      DRAIN_TIMEOUT: '60'
    })
    const { adminUrl, publicUrl, child } = gateway
    t.equal((await fetch(`${adminUrl}/healthz`)).status, 200)
    t.equal((await fetch(`${adminUrl}/readyz`)).status, 200)
    const ada = new Browser(publicUrl, publicUrl)
    await ada.signUp('ada')

    const socket = new WebSocket(`${publicUrl.replace('http', 'ws')}/chat`, { headers: { cookie: ada.cookieHeader } })
    const closed = new Promise<number>((resolve) => socket.on('close', resolve))
    await new Promise((resolve) => socket.on('open', resolve))
    const slow = ada.ask('/slow')
    await until(() => answerSlowly !== undefined)

    child.kill('SIGTERM')
    await until(async () => (await fetch(`${adminUrl}/readyz`)).status === 503)
    t.equal((await fetch(`${adminUrl}/healthz`)).status, 200)
    const late = await ada.ask('/late')
    t.equal(late.status, 200, 'requests are accepted while load balancers take notice')
    t.equal(late.headers['connection'], 'close')
    t.equal(await closed, 1001)
    await until(
      async () =>
        !(await fetch(publicUrl).then(
          () => true,
          () => false
        ))
    )
    answerSlowly?.()
    t.equal((await slow).text, 'done')
    t.equal(await gateway.exited(), 0)
    t.equal(gateway.stderr(), '')
    for (const line of gateway.stdout().trim().split('\n')) t.doesNotThrow(() => JSON.parse(line), line)
  }
)

t.test('a request that never ends is cut off when its time is over', async (t) => {
  const upstream = await startEchoUpstream(t, (_request, response) => response.write('for ever'))
  const gateway = await startGatewayProcess(t, {
    UPSTREAM_URL: upstream.url,
    DATA_DIR: await makeEmbedded(t),
    DRAIN_DELAY: '0',
    DRAIN_TIMEOUT: '0.2'
  })
  const ada = new Browser(gateway.publicUrl, gateway.publicUrl)
  await ada.signUp('ada')
  const endless = ada.ask('/stream')
  await until(() => upstream.requests.length > 0)
  gateway.child.kill('SIGTERM')
  await t.rejects(endless)
  t.equal(await gateway.exited(), 0)
})

t.test('an embedded database outlives its process: after a restart people are still signed in', async (t) => {
  const upstream = await startEchoUpstream(t)
  const env = { UPSTREAM_URL: upstream.url, DATA_DIR: await makeEmbedded(t), DRAIN_DELAY: '0' }
  const first = await startGatewayProcess(t, env)
  const ada = new Browser(first.publicUrl, first.publicUrl)
  await ada.signUp('ada')
  first.child.kill('SIGTERM')
  t.equal(await first.exited(), 0)
  const second = await startGatewayProcess(t, env)
  const again = new Browser(second.publicUrl, second.publicUrl)
  // Its port is another, and with it the cookie's name.
  again.cookies.set(again.sessionCookie, ada.cookies.get(ada.sessionCookie) ?? '')
  t.equal((await again.ask('/me')).status, 200)
})

t.test('a database without tables is one sentence, and no start', async (t) => {
  const postgres = await startPostgres(t)
  const gateway = spawnGateway(t, { DATABASE_URL: await postgres.createDatabase(), DATA_DIR: t.testdirName })
  t.equal(await gateway.exited(), 1)
  t.match(gateway.stderr(), /^[^\n]*migrate[^\n]*\n$/)
  t.notMatch(gateway.stderr(), /postgres:\/\/|not-a-secret/)
})

t.test('a database that is not there yet: started, not ready, and ready once it answers', async (t) => {
  const postgres = await startPostgres(t)
  const url = await postgres.createDatabase()
  const database = await openDatabase({ driver: 'pg', url })
  await migrate(database)
  await database.close()
  await postgres.stop()
  const gateway = await startGatewayProcess(t, { DATABASE_URL: url, DATA_DIR: t.testdirName })
  t.equal((await fetch(`${gateway.adminUrl}/readyz`)).status, 503)
  t.match(gateway.stdout(), /the database does not answer/)
  t.notMatch(gateway.stdout(), /not-a-secret/)
  await postgres.start()
  await until(async () => (await fetch(`${gateway.adminUrl}/readyz`)).status === 200)
})

t.test('a database that turns up without tables ends the gateway with one sentence', async (t) => {
  const postgres = await startPostgres(t)
  const url = await postgres.createDatabase()
  await postgres.stop()
  const gateway = await startGatewayProcess(t, { DATABASE_URL: url, DATA_DIR: t.testdirName })
  await postgres.start()
  t.equal(await gateway.exited(), 1)
  t.match(gateway.stderr(), /^[^\n]*migrate[^\n]*\n$/)
})

t.test('an upstream that is not there is one sentence in the log, and requests are 502', async (t) => {
  const gateway = await startGatewayProcess(t, { DATA_DIR: await makeEmbedded(t), UPSTREAM_URL: 'http://127.0.0.1:1' })
  await until(() => gateway.stdout().includes('UPSTREAM_URL'))
  const ada = new Browser(gateway.publicUrl, gateway.publicUrl)
  await ada.signUp('ada')
  t.match((await ada.ask('/me')).json(), { code: 'UPSTREAM_UNREACHABLE', status: 502 })
})

t.test('a data directory that cannot be written is one sentence', async (t) => {
  const file = t.testdir({ data: 'a file, no directory' })
  const gateway = spawnGateway(t, { DATA_DIR: `${file}/data` })
  t.not(await gateway.exited(), 0)
  t.match(gateway.stderr(), /^[^\n]*DATA_DIR[^\n]*\n$/)
})
