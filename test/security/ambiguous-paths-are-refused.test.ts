import t, { type Test } from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw, type WireAnswer } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const host = `Host: ${new URL(gateway.publicUrl).host}`
const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: eA==']

const targets = [
  // dot segments: raw, encoded, with a parameter, with a backslash
  '/public/../me',
  '/public/./x',
  '/public/..',
  '/public/.',
  '/public/%2e%2e/me',
  '/public/.%2e/me',
  '/public/%2E./me',
  '/public/%2e',
  '/public/..;/me',
  '/public/..;x=1/me',
  '/public/.;/x',
  '/public/%2e%2e;/me',
  '/public/x\\..\\..\\me',
  '/public/..%5cme',
  '/public/..\\me',
  // empty segments
  '//me',
  '/public//me',
  '//localhost/me',
  '/public/x//',
  // slashes and backslashes, encoded
  '/public%2f..%2fme',
  '/public/%2F',
  '/public/%5c',
  '/public\\me',
  // what ends a path for some and not for others
  '/public/x#y',
  '/public/x?y#z',
  '/public/%00',
  '/public/x%0d%0aX-User-Id:%20a',
  '/public/%0a',
  '/public/%1f',
  '/public/%7f',
  '/public/%c2%80',
  // bad percent-encoding, not UTF-8
  '/public/%',
  '/public/%2',
  '/public/%zz',
  '/public/%u002e',
  '/public/%ff',
  '/public/%c0%af',
  '/public/%c0%ae%c0%ae/me',
  '/public/%ed%a0%80',
  '/public/\xe9',
  // the same where BetterAuth answers (CVE-2025-71399)
  '/api/auth//sign-in/email',
  '/api/auth/./sign-in/email',
  '/api//auth/sign-in/email',
  '/api/auth/x/../sign-in/email',
  '/api/auth/%2e%2e/auth/sign-in/email',
  '/api%2fauth/sign-in/email',
  // other forms of a target
  'http://localhost/public/x',
  'http://localhost@evil.example/public/x',
  'localhost:80',
  '*',
  'public/x',
  '?x'
]

function refused(t: Test, answer: WireAnswer, target: string): void {
  t.equal(answer.status, 400, target)
  // Node's parser refuses some of them before anybody else sees them.
  t.match(answer.json(), { code: /^(PATH_AMBIGUOUS|REQUEST_MALFORMED)$/, status: 400 }, target)
  t.equal(answer.only('content-type'), 'application/problem+json', target)
  t.equal(answer.only('cache-control'), 'no-store', target)
}

t.test('a path that could be read in two ways is refused and never forwarded', async (t) => {
  for (const target of targets) {
    refused(t, await askRaw(gateway.port, `GET ${target} HTTP/1.1`, [host]), target)
    refused(t, await askRaw(gateway.port, `OPTIONS ${target} HTTP/1.1`, [host]), target)
  }
  t.equal(upstream.requests.length, 0)
})

t.test('so is an upgrade', async (t) => {
  for (const target of targets)
    refused(t, await askRaw(gateway.port, `GET ${target} HTTP/1.1`, [host, ...upgrade]), target)
  t.equal(upstream.requests.length, 0)
})

// daphne serves a WebSocket to /me;x as /me.
t.test('so is an upgrade with parameters behind its last segment, and no other request with them', async (t) => {
  const seen = upstream.requests.length
  for (const target of ['/public/me;x', '/public;', '/public/x;a=b?c=/d', '/public/a/b;c;d'])
    refused(t, await askRaw(gateway.port, `GET ${target} HTTP/1.1`, [host, ...upgrade]), target)
  t.equal(upstream.requests.length, seen)
  t.equal((await askRaw(gateway.port, 'GET /public/me;x HTTP/1.1', [host])).status, 200)
})

t.test('a path with one reading passes as it was sent, judged as FastAPI reads it', async (t) => {
  for (const [target, status] of [
    ['/public/C%23', 200],
    ['/public/a%20b', 200],
    ['/public/v1.2', 200],
    ['/public/...', 200],
    ['/public/.well-known', 200],
    ['/public/..x', 200],
    ['/public/a;x=..', 200],
    ['/public/%7e;x=1', 200],
    ['/public/%252e%252e/me', 200],
    ['/public/%e2%82%ac', 200],
    ['/public/%E2%82%AC', 200],
    ['/public/', 200],
    ['/%70ublic/x', 200],
    ['/public/x?y=/../..//%2f%zz', 200],
    [`/public/${'x'.repeat(8_000)}`, 200],
    ['/me?x=/public/', 401],
    ['/%6de', 401],
    ['/ME', 401],
    ['/PUBLIC/x', 401],
    ['/publicx', 401],
    ['/den%79/x', 404],
    ['/deny/', 404],
    ['/deny/x/y', 404],
    ['/', 401]
  ] as const) {
    const answer = await askRaw(gateway.port, `GET ${target} HTTP/1.1`, [host])
    t.equal(answer.status, status, target)
    if (status === 200) t.match(answer.json(), { url: target })
  }
})

t.test('headers that other servers route by change nothing', async (t) => {
  const headers = ['X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri', 'X-Original-Uri'].map(
    (name) => `${name}: /public/x`
  )
  for (const method of ['GET', 'POST']) {
    const answer = await askRaw(gateway.port, `${method} /me HTTP/1.1`, [
      host,
      ...headers,
      'X-HTTP-Method-Override: GET'
    ])
    t.equal(answer.status, 401)
  }
  const answer = await askRaw(gateway.port, 'GET /deny/x HTTP/1.1', [host, ...headers])
  t.equal(answer.status, 404)
})

t.test('a target over the limit of a head is refused, and the connection with it', async (t) => {
  const answer = await askRaw(gateway.port, `GET /public/${'x'.repeat(20_000)} HTTP/1.1`, [host])
  t.equal(answer.status, 431)
  t.match(answer.json(), { code: 'HEADERS_TOO_LARGE' })
})
