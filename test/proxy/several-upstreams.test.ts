import t from 'tap'
import { WebSocketServer } from 'ws'
import { Browser } from '../support/browser.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { message, mustDial } from '../support/websocket.ts'

const fastapi = await startEchoUpstream(t)
const site = await startEchoUpstream(t)
const hanging = await startEchoUpstream(t, () => {})
for (const [name, { server }] of Object.entries({ fastapi, site })) {
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, request) => {
    socket.on('message', () => socket.send(`${name} ${request.headers['x-user-id'] ?? 'nobody'}`))
  })
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
  })
}
const gateway = await startTestGateway(t, {
  upstreamUrl: fastapi.url,
  env: { UPSTREAM_TOKEN: 'for-fastapi' },
  policy: {
    upstreams: {
      site: site.url,
      jobs: { url: site.url, token: 'for-jobs' },
      hanging: { url: hanging.url, timeout: 0.2 },
      patient: hanging.url,
      dead: 'http://127.0.0.1:1'
    },
    routes: [
      { path: '/open/*', access: 'public', upstream: 'site' },
      { path: '/open/api', access: 'public' },
      { path: '/mine/*', access: 'session', upstream: 'site' },
      { path: '/jobs', access: 'session', upstream: 'jobs' },
      { path: '/posts', access: 'public', methods: ['GET'], upstream: 'site' },
      { path: '/posts', access: 'public', methods: ['POST'] },
      { path: '/hanging', access: 'public', upstream: 'hanging' },
      { path: '/patient', access: 'public', upstream: 'patient' },
      { path: '/dead', access: 'public', upstream: 'dead' },
      { path: '/closed', access: 'deny', upstream: 'site' }
    ]
  }
})
const ada = new Browser(gateway.url, gateway.publicUrl)
const nobody = new Browser(gateway.url, gateway.publicUrl)
await ada.signUp('ada')

/** Which of the two got the request, and what arrived there. */
async function place(browser: Browser, path: string, options = {}) {
  const before = [fastapi.requests.length, site.requests.length]
  const answer = await browser.ask(path, options)
  const after = [fastapi.requests.length, site.requests.length]
  const where = after[0] !== before[0] ? 'fastapi' : after[1] !== before[1] ? 'site' : 'nowhere'
  return { where, status: answer.status, headers: where === 'nowhere' ? {} : (answer.json() as Echo).headers }
}

t.test('a rule sends its requests to its upstream, and what names none goes to UPSTREAM_URL', async (t) => {
  t.equal((await place(nobody, '/open/page')).where, 'site')
  t.equal((await place(nobody, '/open/api')).where, 'fastapi')
  t.equal((await place(ada, '/mine')).where, 'site')
  t.equal((await place(ada, '/anything')).where, 'fastapi')
  t.equal((await place(nobody, '/posts')).where, 'site')
  t.equal((await place(nobody, '/posts', { method: 'POST' })).where, 'fastapi')
})

t.test('refusals and identity are the same, wherever a request would go', async (t) => {
  t.match(await place(nobody, '/mine/x'), { where: 'nowhere', status: 401 })
  t.match(await place(nobody, '/closed'), { where: 'nowhere', status: 404 })
  const { headers } = await place(ada, '/mine/x', { headers: { 'X-User-Id': 'root', 'X-User-Email': 'root@x' } })
  t.equal(headers['x-user-email'], 'ada@example.com')
  t.not(headers['x-user-id'], 'root')
  t.notMatch(headers['cookie'] ?? '', /session_token/)
})

t.test('UPSTREAM_TOKEN goes to UPSTREAM_URL and to nobody else', async (t) => {
  t.equal((await place(ada, '/me')).headers['x-gatehouse-token'], 'for-fastapi')
  t.equal((await place(ada, '/mine/x')).headers['x-gatehouse-token'], undefined)
  t.equal((await place(ada, '/jobs')).headers['x-gatehouse-token'], 'for-jobs')
})

t.test('a WebSocket takes the way of its rule', async (t) => {
  const host = new URL(gateway.publicUrl).host
  const first = async (path: string, cookie = '') => {
    const headers = { host, origin: gateway.publicUrl, ...(cookie === '' ? {} : { cookie }) }
    const { socket } = await mustDial(t, `ws://127.0.0.1:${gateway.port}${path}`, { headers })
    socket.send('who am I?')
    return String((await message(socket)).data)
  }
  t.equal(await first('/open/live'), 'site nobody')
  t.match(await first('/mine/live', ada.cookieHeader), /^site \w{8}/)
  t.match(await first('/live', ada.cookieHeader), /^fastapi \w{8}/)
})

t.test('an upstream that hangs or is gone keeps nobody from the others', async (t) => {
  const waiting = Array.from({ length: 100 }, () => nobody.ask('/patient').catch(() => undefined))
  await until(() => hanging.requests.length === waiting.length)
  t.match(await place(nobody, '/open/page'), { where: 'site', status: 200 })
  t.match(await place(ada, '/me'), { where: 'fastapi', status: 200 })
  t.equal((await nobody.ask('/hanging')).status, 504, 'and each has a time limit of its own')
  t.equal((await nobody.ask('/dead')).status, 502)
  t.match(await place(nobody, '/open/page'), { where: 'site', status: 200 })
  hanging.server.close()
  hanging.server.closeAllConnections()
  await Promise.all(waiting)
})

t.test('an upstream that does not answer at the start is named in the log', async (t) => {
  await until(() => gateway.logged().includes('upstreams.dead'))
  t.notMatch(gateway.logged(), /for-fastapi|for-jobs/)
})
