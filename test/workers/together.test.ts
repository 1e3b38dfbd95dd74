import t from 'tap'
import { WebSocketServer } from 'ws'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { until } from '../support/until.ts'
import { closing, mustDial } from '../support/websocket.ts'
import { childrenOf, type Line, lineToEach, startTwoWorkers, workerOf } from '../support/workers.ts'

// Without session events, and with decisions that last ten minutes, nothing but the workers themselves explains that
// one knows what happened in another.
const upstream = await startEchoUpstream(t)
const webSockets = new WebSocketServer({ server: upstream.server })
t.teardown(() => webSockets.close())
const gateway = await startTwoWorkers(t, upstream.url, { SESSION_EVENTS: 'off', SESSION_CACHE_TTL: '600' })
const { publicUrl, adminUrl, child } = gateway
const headersOf = ({ cookieHeader: cookie }: Browser) => ({ headers: { cookie } })

async function bothLines(t: Parameters<typeof lineToEach>[0]): Promise<[Line, Line]> {
  const [one, other] = await lineToEach(t, gateway)
  if (one === undefined || other === undefined) throw new Error('only one worker answers')
  return [one, other]
}

t.test('they are ready together: one line in the log, one private port', async (t) => {
  const said = gateway.stdout().match(/^.*"msg":"gatehouse ready".*$/gm) ?? []
  t.equal(said.length, 1)
  t.match(JSON.parse(said[0] ?? ''), { publicUrl, adminUrl, workers: 2 })
  t.equal(childrenOf(child.pid).length, 2)
  const ready = await fetch(`${adminUrl}/readyz`)
  t.same([ready.status, await ready.json()], [200, { status: 'ready', degraded: [] }])
  t.equal((await fetch(`${adminUrl}/healthz`)).status, 200)
})

t.test('a sign-out in one is a sign-out in the other at once', async (t) => {
  const [one, other] = await bothLines(t)
  const ada = new Browser(publicUrl, publicUrl)
  await ada.signUp('ada')
  for (const line of [one, other]) t.equal((await line.ask('/me', headersOf(ada))).status, 200)
  t.equal((await one.ask('/api/auth/sign-out', { method: 'POST', ...headersOf(ada) })).status, 200)
  t.equal((await one.ask('/me', headersOf(ada))).status, 401)
  await until(async () => (await other.ask('/me', headersOf(ada))).status === 401)
})

t.test('a user who is deleted in one is nobody in the other at once', async (t) => {
  const [one, other] = await bothLines(t)
  const grace = new Browser(publicUrl, publicUrl)
  await grace.signUp('grace')
  for (const line of [one, other]) t.equal((await line.ask('/me', headersOf(grace))).status, 200)
  const { headers } = headersOf(grace)
  t.equal((await grace.post('/api/auth/delete-user', { password: 'correct horse battery' })).status, 200)
  for (const line of [one, other]) await until(async () => (await line.ask('/me', { headers })).status === 401)
})

t.test('WebSockets close in all of them when their session ends in one', async (t) => {
  const joan = new Browser(publicUrl, publicUrl)
  await joan.signUp('joan')
  // Connections are dealt out in turn, so each worker has two of these.
  const ends: Promise<{ code: number; reason: string }>[] = []
  for (let n = 0; n < 4; n++) {
    const { socket } = await mustDial(t, `${publicUrl.replace('http', 'ws')}/chat`, headersOf(joan))
    ends.push(closing(socket))
  }
  await joan.signOut()
  for (const end of await Promise.all(ends)) t.same(end, { code: 1008, reason: 'session ended' })
})

t.test('attempts from one address are counted together, whichever worker they meet', async (t) => {
  await new Browser(publicUrl, publicUrl).signUp('mary')
  const guesser = new Browser(publicUrl, publicUrl)
  // A connection each, so that they meet the workers in turn.
  const guess = () =>
    guesser.ask('/api/auth/sign-in/email', {
      method: 'POST',
      headers: { connection: 'close' },
      body: { email: 'mary@example.com', password: 'wrong horse battery' }
    })
  const answers = []
  for (let n = 0; n < 6; n++) answers.push(await guess())
  t.same(
    answers.map(({ status }) => status),
    [401, 401, 401, 429, 429, 429]
  )
  const workers = await Promise.all(answers.map(({ headers }) => workerOf(gateway, headers['x-request-id'])))
  t.equal(new Set(workers.slice(0, 3)).size, 2, 'both workers were asked')
  t.match(answers[3]?.headers['retry-after'], /^\d+$/)
})
