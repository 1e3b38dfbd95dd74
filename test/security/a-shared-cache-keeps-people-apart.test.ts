import { createServer, type IncomingHttpHeaders } from 'node:http'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

interface Stored {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly asked: IncomingHttpHeaders
}

/**
 * A shared cache as greedy as RFC 9111 lets one be: it keeps every answer to a GET that does not forbid it, whether it
 * says how long or not, and hands it to whoever asks alike in the headers that `Vary` names.
 */
async function startSharedCache(t: Test, origin: string) {
  const stored = new Map<string, Stored[]>()
  let hits = 0
  const server = createServer(async (asked, response) => {
    const url = asked.url ?? ''
    const known = stored.get(url)?.find((entry) => varyOf(entry).every((n) => entry.asked[n] === asked.headers[n]))
    if (known !== undefined) {
      hits++
      response.writeHead(known.status, { ...known.headers, 'x-from': 'cache' }).end(known.body)
      return
    }
    const { connection: _, 'content-length': __, ...headers } = asked.headers
    const sent = asked.method === 'GET' ? null : asked
    const answer = await request(origin + url, { method: asked.method as 'GET', headers, body: sent })
    const body = await answer.body.text()
    const entry = { status: answer.statusCode, headers: answer.headers, body, asked: asked.headers }
    if (asked.method === 'GET' && mayStore(entry)) stored.set(url, [...(stored.get(url) ?? []), entry])
    delete answer.headers['transfer-encoding']
    response.writeHead(answer.statusCode, answer.headers).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, hits: () => hits }
}

const listOf = (value: string | string[] | undefined) =>
  [value ?? []].flat().flatMap((line) =>
    line
      .toLowerCase()
      .split(',')
      .map((item) => item.trim())
  )
const varyOf = (entry: Stored) => listOf(entry.headers['vary']).filter((item) => item !== '')
const mayStore = (entry: Stored) =>
  !listOf(entry.headers['cache-control']).some((item) => /^(no-store|private)/.test(item)) &&
  !varyOf(entry).includes('*')

// RFC 9213, and what is older than it: the caches meant go by these, whatever `Cache-Control` says.
const targeted = ['cdn-cache-control', 'example-cdn-cache-control', 'surrogate-control']
// It says of everything that it may be shared, and names who asked.
const upstream = await startEchoUpstream(t, (asked, response) => {
  if (asked.url?.includes('silent') === false) response.setHeader('cache-control', 'public, max-age=3600')
  for (const name of targeted) response.setHeader(name, 'max-age=3600')
  if (asked.url?.includes('cookie') === true) response.setHeader('set-cookie', 'seen=1')
  response.end(`for ${asked.headers['x-user-email'] ?? 'nobody'}`)
})
const paths = ['/me', '/me?silent', '/me?cookie', '/optional/x', '/optional/x?silent', '/optional/x?cookie']

t.test('a shared cache in front never hands one person the answer for another', async (t) => {
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
  const cache = await startSharedCache(t, gateway.url)
  const people: [Browser, string][] = []
  for (const name of ['ada', 'grace']) {
    const browser = new Browser(cache.url, gateway.publicUrl)
    await browser.signUp(name)
    people.push([browser, `for ${name}@example.com`])
  }
  people.push([new Browser(cache.url, gateway.publicUrl), 'for nobody'])

  for (const order of [people, people.toReversed(), people]) {
    for (const path of paths) {
      for (const [browser, expected] of order) {
        const { status, text } = await browser.ask(path)
        if (expected === 'for nobody' && path.startsWith('/me')) t.equal(status, 401, path)
        else t.same([status, text], [200, expected], path)
      }
    }
    for (const [browser, expected] of order) {
      const session = (await browser.ask('/api/auth/get-session')).json() as { user: { email: string } } | null
      t.equal(`for ${session?.user.email ?? 'nobody'}`, expected)
    }
  }
  t.ok(cache.hits() > 0, 'the cache does keep what it may')

  const [[ada] = []] = people
  if (ada === undefined) throw new Error('nobody is there')
  const { headers } = await ada.ask('/me')
  for (const name of targeted) t.ok(name in headers, `${name} is FastAPI's to say, where no cookie of the gateway's is`)
  await ada.signOut()
  for (const path of paths.filter((each) => each.startsWith('/me'))) {
    t.equal((await ada.ask(path)).status, 401, `${path} after signing out`)
  }
})

t.test('nor the cookie that refreshes a session', async (t) => {
  const gateway = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: { SESSION_CACHE_TTL: '0' },
    policy: { routes: [{ path: '/optional/*', access: 'optional' }], auth: { session: { updateAge: 0 } } }
  })
  const cache = await startSharedCache(t, gateway.url)
  const ada = new Browser(cache.url, gateway.publicUrl)
  await ada.signUp('ada')
  for (const path of paths) {
    for (let i = 0; i < 2; i++) {
      const { headers } = await ada.ask(path)
      t.match([headers['set-cookie']].flat().join(), /better-auth-\d+\.session_token=/, `${path} refreshes`)
      t.equal(headers['cache-control'], 'private, no-store', path)
      t.notOk('x-from' in headers)
      for (const name of targeted) t.notOk(name in headers, name)
    }
  }
  t.equal(cache.hits(), 0)
})
