import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw, type WireAnswer } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, {
  upstreamUrl: upstream.url,
  env: { ALLOWED_HOSTS: 'Inner.example,other.example:8443', PUBLIC_HEALTH_PATH: '/up' }
})
const { host, port } = new URL(gateway.publicUrl)

function ask(hosts: readonly string[], { path = '/public/x', version = 'HTTP/1.1', more = [] as string[] } = {}) {
  const headers = [...hosts.map((value) => `Host: ${value}`), ...more]
  return askRaw(gateway.port, `GET ${path} ${version}`, headers)
}

async function refusal(answer: Promise<WireAnswer>): Promise<unknown> {
  const { status, json } = await answer
  const { code } = json() as { code: string }
  return [status, code]
}

const malformed = [
  '',
  ' ',
  'a b',
  'localhost/me',
  'localhost?x',
  'localhost#x',
  'localhost\\me',
  'user@localhost',
  'localhost:',
  'localhost:port',
  'localhost:999999',
  'localhost, evil.example',
  '[::1',
  '::1',
  'local_host%00',
  '-',
  '.',
  'a..b/..',
  `localhost:${port}/public/../me`
]
const unknown = ['evil.example', `evil.example:${port}`, 'localhost', 'localhost:1', 'inner.example:9', 'other.example']

t.test('a malformed Host is refused (CVE-2026-48710)', async (t) => {
  for (const value of malformed) t.same(await refusal(ask([value])), [400, 'HOST_INVALID'], JSON.stringify(value))
  t.equal(upstream.requests.length, 0)
})

t.test('two Hosts are refused, even equal ones', async (t) => {
  t.same(await refusal(ask([host, host])), [400, 'HOST_INVALID'])
  t.same(await refusal(ask([host, 'evil.example'])), [400, 'HOST_INVALID'])
  t.same(await refusal(ask(['evil.example', host])), [400, 'HOST_INVALID'])
})

t.test('a request without Host is refused', async (t) => {
  t.same(await refusal(ask([], { version: 'HTTP/1.0' })), [400, 'HOST_INVALID'])
  t.equal((await ask([])).status, 400)
})

t.test('an unknown Host is misdirected', async (t) => {
  for (const value of unknown) t.same(await refusal(ask([value])), [421, 'HOST_UNKNOWN'], value)
  t.same(await refusal(ask(['evil.example'], { more: [`X-Forwarded-Host: ${host}`] })), [421, 'HOST_UNKNOWN'])
  t.same(await refusal(ask(['evil.example'], { path: '/api/auth/get-session' })), [421, 'HOST_UNKNOWN'])
  t.equal(upstream.requests.length, 0)
})

t.test('the public origin, the loopback names beside it, and ALLOWED_HOSTS are answered', async (t) => {
  const known = [host, `LOCALHOST:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, 'inner.example', 'INNER.example']
  for (const value of [...known, 'other.example:8443']) {
    const answer = await ask([value])
    t.equal(answer.status, 200, value)
    // FastAPI builds its absolute addresses from the one public origin, whatever the client called it.
    t.match(answer.json(), { headers: { host, 'x-forwarded-host': host } })
  }
  t.equal((await ask([host], { version: 'HTTP/1.0' })).status, 200)
})

t.test('upgrades are held to the same', async (t) => {
  const more = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: eA==']
  t.same(await refusal(ask(['evil.example'], { more })), [421, 'HOST_UNKNOWN'])
  t.same(await refusal(ask(['a b'], { more })), [400, 'HOST_INVALID'])
  t.same(await refusal(ask([host, host], { more })), [400, 'HOST_INVALID'])
})

t.test('PUBLIC_HEALTH_PATH is answered for any Host, without a body, and nothing else is', async (t) => {
  for (const hosts of [['10.1.2.3:8080'], ['a b'], [host]]) {
    const answer = await ask(hosts, { path: '/up' })
    t.equal(answer.status, 200)
    t.equal(answer.body, '')
  }
  t.equal((await ask([], { path: '/up', version: 'HTTP/1.0' })).status, 200)
  t.same(await refusal(ask(['10.1.2.3:8080'], { path: '/up/x' })), [421, 'HOST_UNKNOWN'])
})

t.test('nothing of the private listener is on the public one', async (t) => {
  for (const path of ['/healthz', '/readyz', '/metrics', '/verify']) {
    t.same(await refusal(ask([host], { path })), [401, 'SESSION_REQUIRED'], path)
  }
  t.same(await refusal(ask([host], { path: '/.well-known/jwks.json' })), [404, 'NOT_FOUND'])
})
