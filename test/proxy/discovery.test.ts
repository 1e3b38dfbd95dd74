import t from 'tap'
import { Browser } from '../support/browser.ts'
import { sessionCookieOn } from '../support/cookie-names.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageLoad } from '../support/pages.ts'
import { dial } from '../support/websocket.ts'
import { askRaw } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, {
  upstreamUrl: upstream.url,
  policy: {
    routes: [
      { path: '/.well-known/security.txt', access: 'public' },
      { path: '/.well-known/members/*', access: 'session' },
      { path: '/.well-known/feed', access: 'optional' },
      { path: '/.well-known/shut', access: 'deny' },
      { path: '/.well-known/late', access: 'session', freshWithin: 0.001 }
    ]
  }
})
const host = `Host: ${new URL(gateway.publicUrl).host}`
const ada = new Browser(gateway.url, gateway.publicUrl)
await ada.signUp('ada')
const nobody = new Browser(gateway.url, gateway.publicUrl)
const dead = 'better-auth.session_token=dead.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D'

const looked = [
  '/.well-known/oauth-protected-resource',
  '/.well-known/oauth-authorization-server/api/auth',
  '/.well-known/',
  '/.well-known/x/y?z=1',
  '/.well-known/members/x',
  '/%2Ewell-known/x',
  '/.well%2Dknown/x'
]

t.test(
  'who looks for a document below /.well-known/ without a session finds none, and the app is not asked',
  async (t) => {
    for (const target of looked) {
      for (const method of ['GET', 'HEAD']) {
        for (const headers of [[], [`Cookie: ${dead}`]]) {
          const answer = await askRaw(gateway.port, `${method} ${target} HTTP/1.1`, [host, ...headers])
          t.same([answer.status, answer.only('www-authenticate')], [404, undefined], `${method} ${target} ${headers}`)
          if (method === 'GET') t.match(answer.json(), { code: 'NOT_FOUND', status: 404 })
        }
      }
      const page = await nobody.ask(target, { headers: pageLoad })
      t.same([page.status, page.headers['location']], [404, undefined], target)
    }
    t.equal(upstream.requests.length, 0)
  }
)

t.test('the app’s own documents need a rule, or a session', async (t) => {
  for (const path of ['/.well-known/security.txt', '/.well-known/feed'])
    t.equal((await nobody.ask(path)).status, 200, path)
  for (const path of ['/.well-known/anything', '/.well-known/members/x'])
    t.match((await ada.ask(path)).json(), { url: path, headers: { 'x-user-email': 'ada@example.com' } })
  t.match((await ada.ask('/.well-known/shut')).json(), { code: 'NOT_FOUND' })
  t.match((await ada.ask('/.well-known/late')).json(), { code: 'SESSION_NOT_FRESH' }, 'who has a session is told why')
})

t.test('everything else is judged as everywhere', async (t) => {
  const seen = upstream.requests.length
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const answer = await askRaw(gateway.port, `${method} /.well-known/x HTTP/1.1`, [host, 'Content-Length: 0'])
    t.same([answer.status, answer.only('www-authenticate')], [401, 'Cookie realm="gatehouse"'], method)
  }
  const refused = await dial(t, `${gateway.publicUrl.replace('http', 'ws')}/.well-known/x`)
  t.equal(refused.status, 401)
  for (const path of ['/.well-known', '/.well-knownx', '/x/.well-known/y', '/.Well-Known/x'])
    t.equal((await nobody.ask(path)).status, 401, path)
  const name = sessionCookieOn(gateway.publicUrl)
  const two = `${name}=a; ${name}=b`
  t.equal((await nobody.ask('/.well-known/x', { headers: { cookie: two } })).status, 400)
  t.equal((await nobody.ask('/.well-known//x')).status, 400)
  t.equal(upstream.requests.length, seen)
})
