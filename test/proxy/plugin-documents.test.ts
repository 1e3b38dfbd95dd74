import { oauthProvider } from '@better-auth/oauth-provider'
import { jwt } from 'better-auth/plugins/jwt'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { dial } from '../support/websocket.ts'
import { askRaw } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)
const seen: { url: string; method: string; secrets: string[] }[] = []
// Answers at the root, as oauth-provider and mcp do.
const metadata = {
  id: 'metadata',
  onRequest: async (request: Request) => {
    const { pathname } = new URL(request.url)
    if (!pathname.startsWith('/.well-known/')) return undefined
    const secrets = ['cookie', 'authorization'].filter((name) => request.headers.has(name))
    seen.push({ url: request.url, method: request.method, secrets })
    if (pathname === '/.well-known/guarded') return { response: new Response(null, { status: 401 }) }
    return pathname === '/.well-known/oauth-authorization-server/api/auth' || pathname === '/.well-known/ruled'
      ? { response: Response.json({ issuer: 'the gateway' }, { headers: { 'access-control-allow-origin': '*' } }) }
      : undefined
  }
}
const gateway = await startTestGateway(t, {
  upstreamUrl: upstream.url,
  policy: {
    routes: [{ path: '/.well-known/ruled', access: 'public' }],
    auth: { plugins: [metadata, jwt({ jwks: { jwksPath: '/.well-known/jwks.json' } })] }
  }
})
const { host } = new URL(gateway.publicUrl)
const ada = new Browser(gateway.url, gateway.publicUrl)
await ada.signUp('ada')
const nobody = new Browser(gateway.url, gateway.publicUrl)
const document = '/.well-known/oauth-authorization-server/api/auth'

t.test('a document that a plugin answers at the root is served there, whoever asks', async (t) => {
  for (const browser of [nobody, ada]) {
    const answer = await browser.ask(`${document}?x=%2F`, { headers: { authorization: 'Bearer x' } })
    t.same([answer.status, answer.json()], [200, { issuer: 'the gateway' }])
    t.equal(answer.headers['access-control-allow-origin'], '*')
    t.equal(answer.headers['cache-control'], 'no-store')
  }
  t.match(seen, [{ url: `${gateway.publicUrl}${document}?x=%2F`, method: 'GET', secrets: [] }])
  t.same(
    seen.flatMap(({ secrets }) => secrets),
    [],
    'nobody is named to it'
  )
  const head = await askRaw(gateway.port, `HEAD ${document} HTTP/1.1`, [`Host: ${host}`])
  t.same([head.status, head.body], [200, ''])
  t.equal((await nobody.ask(document.replace('.well', '%2Ewell'))).status, 200)
  t.equal(upstream.requests.length, 0)
})

t.test('so is an endpoint of a plugin, as below /api/auth', async (t) => {
  const keys = await nobody.ask('/.well-known/jwks.json')
  t.equal(keys.status, 200)
  t.match(keys.json(), { keys: [{ kid: /./ }] })
  t.same(keys.json(), (await nobody.ask('/api/auth/.well-known/jwks.json')).json())
  t.equal(upstream.requests.length, 0)
})

t.test('what no plugin has is none, or the app’s for who has a session', async (t) => {
  for (const path of ['/.well-known/oauth-authorization-server', '/.well-known/jwks.json/', '/.well-known/guarded'])
    t.equal((await nobody.ask(path)).status, 404, path)
  t.equal(upstream.requests.length, 0)
  t.match((await ada.ask('/.well-known/anything')).json(), { url: '/.well-known/anything' })
})

t.test('where a rule names the path, the rule decides', async (t) => {
  t.match((await nobody.ask('/.well-known/ruled')).json(), { url: '/.well-known/ruled' })
})

t.test('other methods and upgrades find no document, and open nothing', async (t) => {
  const asked = upstream.requests.length
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const answer = await askRaw(gateway.port, `${method} ${document} HTTP/1.1`, [`Host: ${host}`, 'Content-Length: 0'])
    t.equal(answer.status, 401, method)
  }
  t.equal((await dial(t, `${gateway.publicUrl.replace('http', 'ws')}${document}`)).status, 401)
  t.equal(upstream.requests.length, asked)
})

t.test('looking for documents is counted as what is asked below /api/auth', async (t) => {
  const eager = new Browser(gateway.url, gateway.publicUrl)
  const statuses = new Set<number>()
  for (let round = 0; round < 60 && !statuses.has(429); round++) {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => eager.ask(`/.well-known/none-${round}-${i}`))
    )
    for (const { status } of answers) statuses.add(status)
  }
  t.same([...statuses], [404, 429])
})

t.test('wherever BetterAuth is served', async (t) => {
  const moved = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    policy: { auth: { basePath: '/identity', plugins: [jwt({ jwks: { jwksPath: '/.well-known/jwks.json' } })] } }
  })
  const somebody = new Browser(moved.url, moved.publicUrl)
  const keys = await somebody.ask('/.well-known/jwks.json')
  t.match(keys.json(), { keys: [{ kid: /./ }] })
  t.same(keys.json(), (await somebody.ask('/identity/.well-known/jwks.json')).json())
})

t.test('an authorization server is found where RFC 8414 says, by programs without a session', async (t) => {
  const provider = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    policy: { auth: { plugins: [jwt(), oauthProvider({ loginPage: '/auth/sign-in', consentPage: '/consent' })] } }
  })
  const program = new Browser(provider.url, provider.publicUrl)
  const issuer = `${provider.publicUrl}/api/auth`
  for (const path of ['/.well-known/oauth-authorization-server/api/auth', '/.well-known/oauth-authorization-server'])
    t.match((await program.ask(path)).json(), { issuer, token_endpoint: `${issuer}/oauth2/token` }, path)
  t.equal((await program.ask('/.well-known/oauth-protected-resource')).status, 404)
  t.equal((await program.post('/.well-known/oauth-authorization-server/api/auth')).status, 401)
})
