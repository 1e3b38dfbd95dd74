import { once } from 'node:events'
import t from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'
import { pauseBefore } from '../../src/workers/worker-pool.ts'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { isAlive } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { message, mustDial } from '../support/websocket.ts'
import { childrenOf, lineToEach, startTwoWorkers } from '../support/workers.ts'

t.test('a worker that crashes costs the others nothing, and is replaced', async (t) => {
  const upstream = await startEchoUpstream(t)
  const webSockets = new WebSocketServer({ server: upstream.server })
  webSockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  t.teardown(() => webSockets.close())
  const gateway = await startTwoWorkers(t, upstream.url)
  const { adminUrl, publicUrl, child } = gateway
  const report = async () => (await fetch(`${adminUrl}/readyz`)).text()
  // A new worker's ear for session events opens a moment after it serves.
  const isWhole = () => until(async () => (await report()) === '{"status":"ready","degraded":[]}')
  const served = () => gateway.stdout().match(/a worker serves in place of another/g)?.length ?? 0
  const ada = new Browser(publicUrl, publicUrl)
  await ada.signUp('ada')
  const headers = { cookie: ada.cookieHeader }

  const lines = await lineToEach(t, gateway)
  const sockets: WebSocket[] = []
  for (let n = 0; n < 2; n++) {
    const { socket } = await mustDial(t, `${publicUrl.replace('http', 'ws')}/chat`, { headers })
    sockets.push(socket)
  }
  const before = childrenOf(child.pid)
  const [victim = 0, survivor = 0] = before
  process.kill(victim, 'SIGKILL')
  await until(() => !isAlive(victim))
  await until(() => sockets.filter(({ readyState }) => readyState === 1).length === 1)
  const [left] = sockets.filter(({ readyState }) => readyState === 1)
  if (left === undefined) throw new Error('no WebSocket is left')
  left.send('still there?')
  t.equal(String((await message(left)).data), 'still there?')
  const answers = await Promise.allSettled(lines.map((line) => line.ask('/me', { headers })))
  t.ok(answers.some((answer) => answer.status === 'fulfilled' && answer.value.status === 200))

  await until(() => served() === 1, 90_000)
  await isWhole()
  const after = childrenOf(child.pid)
  t.equal(after.length, 2)
  t.ok(after.includes(survivor), 'the other is the one that it was')
  t.equal((await lineToEach(t, gateway)).length, 2, 'the new one is given connections')

  t.test('all of them at once: not ready, then back on the same port', async (t) => {
    for (const pid of childrenOf(child.pid)) process.kill(pid, 'SIGKILL')
    let said = ''
    await until(async () => {
      const response = await fetch(`${adminUrl}/readyz`)
      said = await response.text()
      return response.status === 503
    })
    t.match(said, /"degraded":\["workers"\]/)
    await until(() => served() === 3, 90_000)
    await isWhole()
    t.equal((await new Browser(publicUrl, publicUrl).ask('/me', { headers })).status, 200)
    t.equal(childrenOf(child.pid).length, 2)
  })

  t.test('a primary that dies takes them with it', async (t) => {
    const pids = childrenOf(child.pid)
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    await until(() => pids.every((pid) => !isAlive(pid)))
    await t.rejects(fetch(publicUrl))
  })
})

t.test('an error that nobody caught ends its worker when what is in flight there has finished', async (t) => {
  const held: (() => void)[] = []
  const upstream = await startEchoUpstream(t, (_request, response) => held.push(() => response.end('done')))
  const folder = t.testdir({
    'policy.ts': `export default {
      routes: [{ path: '/public/*', access: 'public' }],
      auth: { sendResetPassword: async () => void setImmediate(() => { throw new Error('canary') }) }
    }\n`
  })
  const gateway = await startTwoWorkers(t, upstream.url, { GATEHOUSE_CONFIG: `${folder}/policy.ts` })
  const { publicUrl } = gateway
  await new Browser(publicUrl, publicUrl).signUp('ada')
  const slow = (await lineToEach(t, gateway)).map((line) => line.ask('/public/slow'))
  await until(() => held.length === 2)
  await new Browser(publicUrl, publicUrl).post('/api/auth/request-password-reset', { email: 'ada@example.com' })
  await until(() => gateway.stdout().includes('a worker serves in place of another'), 90_000)
  t.match(gateway.stdout(), /"msg":"a worker failed"/)
  t.notMatch(gateway.stdout(), /canary/)
  for (const answer of held) answer()
  for (const { status, text } of await Promise.all(slow)) t.same([status, text], [200, 'done'])
  await until(() => childrenOf(gateway.child.pid).length === 2, 90_000)
})

t.test('the pauses before a replacement grow, and stop growing', async (t) => {
  t.same([0, 1, 2, 3].map(pauseBefore), [0, 250, 500, 1_000])
  t.equal(pauseBefore(50), 10_000)
  t.equal(pauseBefore(5_000), 10_000)
})
