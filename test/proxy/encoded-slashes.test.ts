import t, { type Test } from 'tap'
import { Browser } from '../support/browser.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageLoad, refreshOf, sendForm } from '../support/pages.ts'
import { askRaw } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)
const other = await startEchoUpstream(t)
const gateway = await startTestGateway(t, {
  upstreamUrl: upstream.url,
  policy: {
    upstreams: { other: other.url },
    routes: [
      { path: '/files/*', access: 'public', encodedSlashes: true },
      { path: '/files/:id/admin', access: 'session' },
      { path: '/files/private/*', access: 'session', encodedSlashes: true },
      { path: '/files/put/*', access: 'public', methods: ['PUT'], encodedSlashes: true },
      { path: '/plain/*', access: 'public' },
      { path: '/ids/:id', access: 'public' },
      { path: '/other/*', access: 'public', encodedSlashes: true, upstream: 'other' },
      { path: '/:tenant/files/*', access: 'public', encodedSlashes: true }
    ]
  }
})
const { host } = new URL(gateway.publicUrl)
const ada = new Browser(gateway.url, gateway.publicUrl)
await ada.signUp('ada')
const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: eA==']

function ask(target: string, method = 'GET', ...headers: string[]) {
  return askRaw(gateway.port, `${method} ${target} HTTP/1.1`, [`Host: ${host}`, ...headers])
}

async function refused(t: Test, target: string, method = 'GET', ...headers: string[]): Promise<void> {
  const answer = await ask(target, method, ...headers)
  t.equal(answer.status, 400, `${method} ${target}`)
  t.match(answer.json(), { code: 'PATH_AMBIGUOUS', detail: /encodedSlashes: true/ }, `${method} ${target}`)
}

t.test('an encoded slash passes as it is, where the rule says so', async (t) => {
  for (const target of [
    '/files/home%2Fjohndoe%2Fmyfile.txt',
    '/files/home%2fjohndoe/myfile.txt?x=%2F',
    '/files/a%2F',
    '/files/%61%2Fb%20c',
    '/files/7%2Fadmins',
    '/files/7%2Fadmin%2Fx',
    '/files/a%2F100%25',
    '/acme/files/a%2Fb'
  ]) {
    const answer = await ask(target)
    t.equal(answer.status, 200, target)
    t.equal((answer.json() as Echo).url, target)
  }
  t.match((await ask('/other/a%2Fb')).json(), { url: '/other/a%2Fb' })
  t.equal(other.requests.length, 1)
  t.equal((await ask('/files/put/a%2Fb', 'PUT', 'Content-Length: 0')).status, 200)
  t.equal((await ask('/files/private/a%2Fb')).status, 401, 'and is judged like every other path')
  t.match((await ada.ask('/files/private/a%2Fb')).json(), { url: '/files/private/a%2Fb' })
})

t.test('it passes nowhere else', async (t) => {
  const seen = upstream.requests.length
  for (const target of [
    // no rule that says so
    '/plain/a%2Fb',
    '/ids/a%2Fb',
    '/nothing/a%2Fb',
    '/a%2Fb',
    // two rules
    '/files/7%2Fadmin',
    '/files%2F7/admin',
    '/files/7%2fadmin/',
    '/files/a%2Fb/admin',
    '/files/private%2Fa',
    '/files%2Fprivate%2Fa',
    '/files%2Fa',
    '/%2Ffiles/a',
    '/other%2Fa',
    '/files/other%2F..%2Fprivate/a',
    '/acme%2Ffiles/a',
    '/a%2Fb/files/x',
    '/files%2Ffiles/a',
    // what the gateway answers itself
    '/api/auth%2Fok',
    '/api%2Fauth/ok',
    '/api/auth/a%2Fb',
    '/auth/sign-in%2Fx',
    '/auth%2Fsign-in',
    // what stays ambiguous
    '/files/a%2F%2Fb',
    '/files//a%2Fb',
    '/files/%2Fhome',
    '/files/a%2F..%2Fb',
    '/files/..%2Fplain',
    '/files/a%2F.',
    '/files/a%2F%2e%2e/b',
    '/files/a%2F..;/b',
    '/files/a%2F%5Cb',
    '/files/a%2F%252Fb',
    '/files/a%2F%252e%252e%2Fb',
    '/files/a%252Fb',
    '/files/a%252fb',
    '/files/%252e%252e/b',
    '/files/a%2F%00b'
  ]) {
    await refused(t, target)
    await refused(t, target, 'OPTIONS')
    await refused(t, target, 'GET', `Cookie: ${ada.cookieHeader}`)
    const handshake = await ask(target, 'GET', ...upgrade)
    t.match([handshake.status, handshake.json()], [400, { code: 'PATH_AMBIGUOUS' }], `upgrade ${target}`)
  }
  // Another method is another rule.
  await refused(t, '/files/put%2Fa', 'PUT', 'Content-Length: 0')
  t.equal(upstream.requests.length, seen)
})

t.test('what is encoded twice passes as ever where no rule takes encoded slashes', async (t) => {
  t.match((await ask('/plain/a%252Fb')).json(), { url: '/plain/a%252Fb' })
})

t.test('a page load below it comes back after signing in', async (t) => {
  const path = '/files/private/a%2Fb?c=d'
  const nobody = new Browser(gateway.url, gateway.publicUrl)
  const { status, headers } = await nobody.ask(path, { headers: pageLoad })
  t.same([status, headers['location']], [303, `/auth/sign-in?next=${encodeURIComponent(path)}`])
  const fields = { email: 'ada@example.com', password: 'correct horse battery', next: path }
  t.equal(refreshOf((await sendForm(nobody, '/auth/sign-in', fields)).text), path)
})
