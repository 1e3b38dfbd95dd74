import t from 'tap'
import { Browser } from '../support/browser.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

t.test('a person signs up and FastAPI is told who they are', async (t) => {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
  const ada = new Browser(gateway.url, gateway.publicUrl)

  const refused = await ada.ask('/me')
  t.equal(refused.status, 401)
  t.equal(refused.headers['content-type'], 'application/problem+json')
  t.match(refused.json(), { code: 'SESSION_REQUIRED', status: 401, requestId: refused.headers['x-request-id'] })

  t.equal((await ada.signUp('ada')).status, 200)
  const answer = await ada.ask('/me?x=1')
  t.equal(answer.status, 200)
  const { headers, url } = answer.json() as Echo
  t.equal(url, '/me?x=1')
  t.match(headers, {
    'x-user-id': /^\w{32}$/,
    'x-user-email': 'ada@example.com',
    'x-user-email-verified': 'false',
    'x-request-id': answer.headers['x-request-id'],
    'x-forwarded-for': ada.address,
    'x-forwarded-proto': 'http',
    host: new URL(gateway.publicUrl).host
  })
  t.notOk('cookie' in headers)
  t.match(answer.headers, { vary: 'Cookie', 'cache-control': 'private' })

  t.equal((await ada.signOut()).status, 200)
  t.equal((await ada.ask('/me')).status, 401)
})

t.test('public, optional and denied routes', async (t) => {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  const anonymous = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')

  const echo = async (browser: Browser, path: string) => (await browser.ask(path)).json() as Echo
  t.notOk('x-user-id' in (await echo(ada, '/public/x')).headers)
  t.ok('x-user-id' in (await echo(ada, '/optional/x')).headers)
  t.notOk('x-user-id' in (await echo(anonymous, '/optional/x')).headers)
  t.equal((await ada.ask('/deny/x')).status, 404)
  t.equal((await ada.ask('/deny')).status, 404)
})

t.test("what FastAPI serves under the built-in pages' place cannot pass for one of them", async (t) => {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  for (const path of ['/auth', '/auth/', '/auth/sign-in', '/auth/x']) await ada.ask(path)
  t.equal((await ada.ask('/auth/x')).status, 404)
  t.equal(upstream.requests.length, 0)
})
