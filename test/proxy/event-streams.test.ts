import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request as requestTls } from 'node:https'
import t from 'tap'
import { blocksOf, pageOf } from '../docs/documents.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { nginx, withoutProgram } from '../support/tls-proxies.ts'
import { askRaw } from '../support/wire.ts'

let sendRest = () => {}
const upstream = await startEchoUpstream(t, (request, response) => {
  const said = new URLSearchParams(request.url?.split('?')[1])
  for (const name of new Set(said.keys())) response.setHeader(name, said.getAll(name))
  response.write('data: one\n\n')
  const finish = () => response.end('data: two\n\n')
  if (request.url?.startsWith('/public/waiting') === true) sendRest = finish
  else finish()
})
const stream = 'Content-Type=text/event-stream'

t.test('an event stream asks proxies in front not to hold it back', async (t) => {
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
  const buffering = async (query: string) => {
    const host = `Host: ${new URL(gateway.publicUrl).host}`
    const answer = await askRaw(gateway.port, `GET /public/x?${query} HTTP/1.1`, [host])
    t.equal(answer.body, 'data: one\n\ndata: two\n\n')
    return answer.all('x-accel-buffering')
  }
  t.same(await buffering(stream), ['no'])
  t.same(await buffering('Content-Type=Text/Event-Stream;charset=utf-8'), ['no'])
  t.same(await buffering(`${stream}&X-Accel-Buffering=yes`), ['yes'], 'unless the app says something about it')
  t.same(await buffering(`x-accel-buffering=no&${stream}`), ['no'], 'once')
  t.same(await buffering('Content-Type=text/plain'), [])
  t.same(await buffering('Content-Type=text/event-streams'), [])
  t.same(await buffering('Content-Type=application/json&X-Accel-Buffering=no'), ['no'])
})

t.test('so do those of BetterAuth’s plugins', async (t) => {
  const events = {
    id: 'events',
    onRequest: async (request: Request) => {
      const headers: Record<string, string> = { 'content-type': 'text/event-stream' }
      if (request.url.endsWith('?own')) headers['x-accel-buffering'] = 'yes'
      return { response: new Response('data: one\n\n', { headers }) }
    }
  }
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, policy: { auth: { plugins: [events] } } })
  const host = `Host: ${new URL(gateway.publicUrl).host}`
  const ask = (target: string) => askRaw(gateway.port, `GET ${target} HTTP/1.1`, [host])
  t.same((await ask('/api/auth/events')).all('x-accel-buffering'), ['no'])
  t.same((await ask('/api/auth/events?own')).all('x-accel-buffering'), ['yes'])
})

t.test(
  'behind nginx, which buffers by default, events arrive one by one',
  { skip: withoutProgram('nginx') },
  async (t) => {
    const host = 'app.example.com'
    const ca = await readFile(new URL('certificates/ca.pem', import.meta.url))
    const gateway = await startTestGateway(t, {
      upstreamUrl: upstream.url,
      env: {
        BETTER_AUTH_URL: `https://${host}`,
        BETTER_AUTH_SECRET: 'a secret of this test, which is long enough',
        DATABASE_DRIVER: 'pglite'
      }
    })
    const shown = blocksOf(pageOf('docs/deploying.md')).find(({ text }) => text.includes('proxy_pass'))?.text ?? ''
    const configuration = shown.replaceAll(/^ *proxy(?:_request)?_buffering off;\n/gm, '')
    t.not(configuration, shown, 'nginx is left as it is')
    const port = await nginx.start(t, configuration, gateway.port)
    const path = `/public/waiting?${stream}`
    const asked = requestTls({ port, host: '127.0.0.1', servername: host, ca, path, headers: { host } })
    asked.end()
    const [answer] = await once(asked, 'response')
    let received = ''
    for await (const chunk of answer) {
      received += String(chunk)
      // The rest comes only once its beginning has arrived.
      if (received.includes('one')) sendRest()
    }
    t.equal(received, 'data: one\n\ndata: two\n\n')
    t.equal(answer.headers['x-accel-buffering'], undefined, 'nginx keeps the header for itself')
  }
)
