import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent as HttpsAgent } from 'node:https'
import t, { type Test } from 'tap'
import { Agent, request } from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import type { Echo } from '../support/echo-upstream.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { caddy, nginx, type TlsProxy, withoutProgram } from '../support/tls-proxies.ts'
import { blocksOf, pageOf, variablesIn } from './documents.ts'

const blocks = blocksOf(pageOf('docs/deploying.md'))
const ca = await readFile(new URL('../proxy/certificates/ca.pem', import.meta.url), 'utf8')
const host = 'app.example.com'
const origin = `https://${host}`

const shown = (marker: string) => blocks.find(({ text }) => text.includes(marker))?.text ?? ''
const configurations = { nginx: shown('proxy_pass'), caddy: shown('reverse_proxy') }
const settings = blocks
  .map(({ text }) => variablesIn(text))
  .find(({ TRUSTED_PROXIES }) => TRUSTED_PROXIES === 'loopback')

for (const proxy of [nginx, caddy]) {
  t.test(`the configuration for ${proxy.name} does what a site needs`, { skip: withoutProgram(proxy.name) }, (t) =>
    site(t, proxy)
  )
}

async function site(t: Test, proxy: TlsProxy): Promise<void> {
  const upstream = await startEchoUpstream(t)
  const sockets = new WebSocketServer({ server: upstream.server })
  sockets.on('connection', (socket, { headers }) => socket.send(`for ${headers['x-user-email']}`))
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
  })
  t.match(settings, { BETTER_AUTH_URL: origin, TRUSTED_PROXIES: 'loopback' }, 'the page says what the gateway needs')
  const gateway = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: {
      ...settings,
      // This test's client is on loopback too, under another address of it.
      TRUSTED_PROXIES: '127.0.0.1',
      BETTER_AUTH_SECRET: 'a secret of this test, which is long enough',
      DATABASE_DRIVER: 'pglite'
    },
    policy: { routes: [{ path: '/public/*', access: 'public' }] }
  })
  const port = await proxy.start(t, configurations[proxy.name], gateway.port)
  const dispatcher = new Agent({ connect: { ca, servername: host }, localAddress: '127.0.0.2' })
  t.teardown(() => dispatcher.destroy())
  const ask = async (path: string, headers: Record<string, string> = {}, body?: string | Buffer) => {
    const method = body === undefined ? 'GET' : 'POST'
    const all = { host, ...headers }
    const answer = await request(`https://127.0.0.1:${port}${path}`, {
      dispatcher,
      method,
      headers: all,
      body: body ?? null
    })
    const text = await answer.body.text()
    return { status: answer.statusCode, headers: answer.headers, text, echo: () => JSON.parse(text) as Echo }
  }

  const page = await ask('/me', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' })
  t.match(page, { status: 303, headers: { location: '/auth/sign-in?next=%2Fme' } })

  const person = JSON.stringify({ name: 'Ada', email: 'ada@example.com', password: 'a fine passphrase' })
  const signedUp = await ask('/api/auth/sign-up/email', { origin, 'content-type': 'application/json' }, person)
  const cookie = String(signedUp.headers['set-cookie']).split(';')[0] ?? ''
  t.match(cookie, /^__Host-better-auth\.session_token=/)

  const me = await ask('/me', { cookie, 'x-forwarded-for': '192.0.2.66', 'x-forwarded-proto': 'http' })
  t.match(me.echo().headers, {
    host,
    'x-user-email': 'ada@example.com',
    'x-forwarded-for': '127.0.0.2',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': host
  })

  const upload = await ask('/upload', { cookie, origin }, Buffer.alloc(3_000_000))
  t.equal(upload.echo().bytes, 3_000_000, 'more than the megabyte that nginx lets through by itself')

  const socket = new WebSocket(`wss://127.0.0.1:${port}/chat`, {
    agent: new HttpsAgent({ ca, servername: host }),
    headers: { host, origin, cookie }
  })
  const [greeting, closed] = [once(socket, 'message'), once(socket, 'close')]
  t.equal(String((await greeting)[0]), 'for ada@example.com')
  await ask('/api/auth/sign-out', { cookie, origin, 'content-type': 'application/json' }, '{}')
  t.equal((await closed)[0], 1008, 'the end of the session reaches the browser')
  t.match(await ask('/me', { cookie }), { status: 401 })

  // The rest of the answer comes only when its beginning has arrived.
  upstream.server.removeAllListeners('request')
  upstream.server.on('request', (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: one\n\n')
    held.push(() => response.end('data: two\n\n'))
  })
  const held: (() => void)[] = []
  const events = await request(`https://127.0.0.1:${port}/public/events`, { dispatcher, headers: { host } })
  let received = ''
  for await (const chunk of events.body) {
    received += String(chunk)
    if (received.includes('one')) held.pop()?.()
  }
  t.equal(received, 'data: one\n\ndata: two\n\n')
}
