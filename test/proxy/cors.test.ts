import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw, type WireAnswer } from '../support/wire.ts'

const trusted = 'http://localhost:3999'
const upstream = await startEchoUpstream(t, (request, response) => {
  // As FastAPI's own CORSMiddleware would.
  response.setHeader('Access-Control-Allow-Origin', '*')
  response.setHeader('Access-Control-Allow-Credentials', 'false')
  response.setHeader('Access-Control-Expose-Headers', 'X-Theirs')
  const said = new URLSearchParams(request.url?.split('?')[1])
  for (const name of new Set(said.keys())) response.setHeader(name, said.getAll(name))
  if (request.method === 'OPTIONS') response.setHeader('Access-Control-Allow-Methods', 'GET')
  response.end('theirs')
})
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { TRUSTED_ORIGINS: trusted } })
const ada = new Browser(gateway.url, gateway.publicUrl)
await ada.signUp('ada')
const host = `Host: ${new URL(gateway.publicUrl).host}`

function ask(method: string, path: string, ...headers: string[]): Promise<WireAnswer> {
  return askRaw(gateway.port, `${method} ${path} HTTP/1.1`, [host, ...headers])
}

const granted = (answer: WireAnswer) => [
  answer.only('access-control-allow-origin'),
  answer.only('access-control-allow-credentials'),
  answer.only('access-control-expose-headers')
]
const ours = [trusted, 'true', 'X-Request-Id, Retry-After']
const both = [trusted, 'true', 'X-Theirs, X-Request-Id, Retry-After']
const theirs = ['*', 'false', 'X-Theirs']
const none = [undefined, undefined, undefined]
const preflight = ['Access-Control-Request-Method: PUT', 'Access-Control-Request-Headers: x-a, content-type']

t.test('a preflight from a trusted origin is answered here, without a session', async (t) => {
  for (const path of ['/me', '/public/x', '/deny/x', '/api/auth/sign-in/email']) {
    const answer = await ask('OPTIONS', path, `Origin: ${trusted}`, ...preflight)
    t.equal(answer.status, 204, path)
    t.same(granted(answer), ours, path)
    t.match(answer.only('access-control-allow-methods'), /\bPUT\b/)
    t.equal(answer.only('access-control-allow-headers'), 'x-a, content-type')
    t.match(answer.only('vary'), /Origin/)
    t.equal(answer.body, '')
  }
  t.equal(upstream.requests.length, 0)
})

t.test('any other preflight passes by policy', async (t) => {
  for (const origin of ['https://evil.example', 'null']) {
    const passed = await ask('OPTIONS', '/public/x', `Origin: ${origin}`, ...preflight)
    t.same([passed.status, passed.body, granted(passed)], [200, 'theirs', theirs], origin)
    const refused = await ask('OPTIONS', '/me', `Origin: ${origin}`, ...preflight)
    t.same([refused.status, granted(refused)], [401, none], origin)
  }
  t.equal((await ask('OPTIONS', '/me', `Origin: ${trusted}`)).status, 401, 'an OPTIONS that is no preflight')
})

t.test('a trusted origin may read answers, and what FastAPI exposes besides ours', async (t) => {
  const cookie = `Cookie: ${ada.cookieHeader}`
  for (const [method, path] of [
    ['GET', '/me'],
    ['POST', '/me'],
    ['GET', '/public/x']
  ] as const) {
    const answer = await ask(method, path, `Origin: ${trusted}`, cookie)
    t.equal(answer.status, 200)
    t.same(granted(answer), both, `${method} ${path}`)
    t.match(answer.only('vary'), /Origin/)
  }
  const session = await ask('GET', '/api/auth/get-session', `Origin: ${trusted}`, cookie)
  t.match(session.json(), { user: { email: 'ada@example.com' } })
  t.same(granted(session), ours)
})

t.test('so may it read refusals', async (t) => {
  for (const [path, status] of [
    ['/me', 401],
    ['/deny/x', 404],
    ['/public//x', 400]
  ] as const) {
    const answer = await ask('GET', path, `Origin: ${trusted}`)
    t.equal(answer.status, status)
    t.same(granted(answer), ours, path)
  }
})

t.test('an origin that is not trusted gets what FastAPI says, and nothing of ours', async (t) => {
  for (const origin of [
    'https://evil.example',
    'null',
    `${trusted}/`,
    `${trusted}.evil.example`,
    trusted.toUpperCase()
  ]) {
    const answer = await ask('GET', '/public/x', `Origin: ${origin}`)
    t.same(granted(answer), theirs, origin)
    t.match(answer.only('vary'), /Origin/, 'a cache must not hand one origin’s answer to another')
    t.same(granted(await ask('GET', '/me', `Origin: ${origin}`)), none, origin)
  }
  t.same(granted(await ask('GET', '/public/x')), theirs)
})

t.test('headers that are lists have what FastAPI says and what the gateway says, each once', async (t) => {
  const exposed = 'Access-Control-Expose-Headers'
  for (const [query, union] of [
    [`${exposed}=Link`, 'Link, X-Request-Id, Retry-After'],
    [`${exposed}=Link,%20X-Total&${exposed}=ETag`, 'Link, X-Total, ETag, X-Request-Id, Retry-After'],
    [`${exposed}=retry-after,%20Link`, 'retry-after, Link, X-Request-Id'],
    [`${exposed}=x-request-id,Retry-After`, 'x-request-id,Retry-After'],
    // With credentials this is the name of a header (Fetch standard, CORS protocol and credentials).
    [`${exposed}=*`, '*, X-Request-Id, Retry-After'],
    [`${exposed}=`, 'X-Request-Id, Retry-After']
  ] as const)
    t.equal((await ask('GET', `/public/x?${query}`, `Origin: ${trusted}`)).only(exposed), union, query)

  for (const [query, lines] of [
    ['Vary=Accept', ['Accept, Origin']],
    ['Vary=accept,%20origin', ['accept, origin']],
    ['Vary=Accept&Vary=Accept-Language', ['Accept', 'Accept-Language, Origin']],
    ['Vary=*', ['*']]
  ] as const)
    t.same((await ask('GET', `/public/x?${query}`, `Origin: ${trusted}`)).all('vary'), lines, query)

  const allowed = await ask('GET', '/public/x?Allow=GET&Allow=PROPFIND', `Origin: ${trusted}`)
  t.same(allowed.all('allow'), ['GET', 'PROPFIND'], 'FastAPI knows which methods it has')
})

t.test('so have those of BetterAuth’s plugins', async (t) => {
  const plugin = {
    id: 'lists',
    onResponse: async (response: Response) => {
      const headers = new Headers(response.headers)
      headers.set('Access-Control-Expose-Headers', 'set-auth-token, retry-after')
      headers.set('Vary', 'Accept, origin')
      return { response: new Response(response.body, { status: response.status, headers }) }
    }
  }
  const extended = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: { TRUSTED_ORIGINS: trusted },
    policy: { routes: [], auth: { plugins: [plugin] } }
  })
  const askThere = (...headers: string[]) =>
    askRaw(extended.port, 'GET /api/auth/ok HTTP/1.1', [`Host: ${new URL(extended.publicUrl).host}`, ...headers])
  const answer = await askThere(`Origin: ${trusted}`)
  t.same(granted(answer), [trusted, 'true', 'set-auth-token, retry-after, X-Request-Id'])
  t.equal(answer.only('vary'), 'Accept, origin')
  t.equal((await askThere()).only('access-control-expose-headers'), 'set-auth-token, retry-after')
})
