import t from 'tap'
import { request } from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import type { TestGateway } from '../support/gateway.ts'
import { startReplicas } from '../support/replicas.ts'
import { until } from '../support/until.ts'

await eachDatabase(
  t,
  async (t, { env, options, postgres }) => {
    let streams = 0
    const upstream = await startEchoUpstream(t, (request, response) => {
      if (request.url !== '/events') {
        response.end('ok')
        return
      }
      streams++
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      response.write('data: hello\n\n')
      response.on('close', () => streams--)
    })
    const sockets = new WebSocketServer({ server: upstream.server })
    const upstreamCodes: number[] = []
    sockets.on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }))
      socket.on('close', (code) => upstreamCodes.push(code))
    })
    const { here, there, start, sql } = await startReplicas(t, { env, options }, upstream.url)

    async function signedUp(name: string) {
      const browser = new Browser(here.url, here.publicUrl)
      await browser.signUp(name)
      return browser
    }

    /** An open WebSocket and an open event stream of this person, through this gateway. */
    async function connect(browser: Browser, gateway: TestGateway) {
      const host = new URL(gateway.publicUrl).host
      const headers = { cookie: browser.cookieHeader, host }
      const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/chat`, { headers })
      const ended: { code?: number; reason?: string; stream?: 'ended' | 'broken' } = {}
      socket.on('close', (code, reason) => Object.assign(ended, { code, reason: reason.toString() }))
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
      // `fetch` would write a Host of its own.
      const stream = await request(`${gateway.url}/events`, { headers })
      t.equal(stream.statusCode, 200)
      stream.body.text().then(
        () => (ended.stream = 'ended'),
        () => (ended.stream = 'broken')
      )
      const says = async (text: string) => {
        const heard = new Promise<string>((resolve) => socket.once('message', (data) => resolve(String(data))))
        socket.send(text)
        return heard
      }
      return { ended, says, socket }
    }
    const isEnded = (of: { ended: { code?: number; reason?: string; stream?: string } }) =>
      until(() => of.ended.code !== undefined && of.ended.stream !== undefined)
    const goodbye = { code: 1008, reason: 'session ended', stream: 'ended' }

    t.test('a sign-out ends WebSockets with 1008 and event streams, on every replica', async (t) => {
      const ada = await signedUp('ada')
      const [near, far] = [await connect(ada, here), await connect(ada, there)]
      t.equal(await far.says('hello'), 'hello')
      await ada.signOut()
      for (const connection of [near, far]) {
        await isEnded(connection)
        t.match(connection.ended, goodbye)
      }
      await until(() => streams === 0)
      await until(() => upstreamCodes.length === 2)
      t.same(upstreamCodes, [1008, 1008], 'FastAPI hears why')
    })

    t.test('so do a deletion by SQL, the end of the user, and an expiry moved into the past', async (t) => {
      const endings = [
        'delete from session where user_id = (select id from "user" where email = $1)',
        'delete from "user" where email = $1',
        `update session set expires_at = now() - interval '1 second'
         where user_id = (select id from "user" where email = $1)`
      ]
      for (const [i, ending] of endings.entries()) {
        const connection = await connect(await signedUp(`grace${i}`), there)
        await sql(ending, [`grace${i}@example.com`])
        await isEnded(connection)
        t.match(connection.ended, goodbye)
      }
    })

    t.test('a refresh, a new name, a new address and a forged event end nothing', async (t) => {
      const joan = await signedUp('joan')
      const connection = await connect(joan, there)
      await sql(`update session set expires_at = expires_at + interval '1 hour', updated_at = now()
                 where user_id = (select id from "user" where email = 'joan@example.com')`)
      await sql(`update "user" set name = 'Joan C.', email = 'j@example.com' where email = 'joan@example.com'`)
      await sql(`select pg_notify('gatehouse', '*')`)
      t.equal(await connection.says('still here'), 'still here')
      t.same(connection.ended, {})
      connection.socket.close(4000, 'bye')
      await until(() => upstreamCodes.includes(4000))
      await joan.signOut()
      await until(() => connection.ended.stream !== undefined)
      t.equal(connection.ended.code, 4000)
    })

    t.test('another person stays connected', async (t) => {
      const [mary, radia] = [await connect(await signedUp('mary'), there), await signedUp('radia')]
      const hers = await connect(radia, there)
      await radia.signOut()
      await isEnded(hers)
      t.equal(await mary.says('me too?'), 'me too?')
    })

    t.test('with events off they end within SESSION_CACHE_TTL', async (t) => {
      const deaf = await start({ SESSION_EVENTS: 'off', SESSION_CACHE_TTL: '1' })
      const hedy = await signedUp('hedy')
      const connection = await connect(hedy, deaf)
      await hedy.signOut()
      await isEnded(connection)
      t.match(connection.ended, goodbye)
    })

    t.test('a session that expires ends them without anybody saying so', async (t) => {
      // Without "remember me": any other session this close to its end is refreshed by the handshake.
      const karen = await signedUp('karen')
      await karen.signOut()
      await karen.signIn('karen', undefined, { rememberMe: false })
      const brief = await start({ SESSION_CACHE_TTL: '1' })
      await sql(`update session set expires_at = now() + interval '6 seconds'
                 where user_id = (select id from "user" where email = 'karen@example.com')`)
      const connection = await connect(karen, brief)
      t.equal(await connection.says('not yet'), 'not yet')
      await isEnded(connection)
      t.match(connection.ended, goodbye)
    })

    t.test('an outage of the database ends nothing', async (t) => {
      if (postgres === undefined) return
      const deaf = await start({ SESSION_EVENTS: 'off', SESSION_CACHE_TTL: '1' })
      const barbara = await signedUp('barbara')
      const connection = await connect(barbara, deaf)
      await postgres.stop()
      await until(
        async () => (await barbara.ask('/me', { headers: { host: new URL(here.publicUrl).host } })).status !== 0
      )
      await new Promise((resume) => setTimeout(resume, 1_500))
      t.equal(await connection.says('through it all'), 'through it all')
      await postgres.start()
      await sql(`delete from session`)
      await isEnded(connection)
      t.match(connection.ended, goodbye)
    })
  },
  ['pg', 'neon']
)
