import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

const page = '<!doctype html><title>page</title>'
const letters = 'abcdefghijklmnopqrstuvwxyz'
const site = t.testdir({
  'index.html': page,
  '404.html': '<!doctype html>nothing of that name',
  'letters.txt': letters,
  'app.js': 'export {}',
  'empty.css': '',
  'a b%23?#ü.txt': 'odd',
  docs: { 'index.html': 'docs', guide: { 'index.html': 'guide' }, bare: { 'x.txt': 'x' } },
  members: { 'index.html': 'secret page', 'secret.js': 'secret code', '404.html': 'no such member' },
  optional: { 'index.html': 'for all' },
  allow: { 'list.txt': 'list' }
})
writeFileSync(`${site}/large.bin`, Buffer.alloc(3_000_000, 7))
mkdirSync(`${site}/nothing`)
const fastapi = await startEchoUpstream(t)
const gateway = await startTestGateway(t, {
  upstreamUrl: fastapi.url,
  env: { TRUSTED_ORIGINS: 'http://localhost:3000' },
  policy: {
    upstreams: { site: { directory: site } },
    routes: [
      { path: '/*', access: 'public', upstream: 'site' },
      { path: '/api/*', access: 'session' },
      { path: '/members/*', access: 'session', upstream: 'site' },
      { path: '/optional/*', access: 'optional', upstream: 'site' },
      { path: '/allow/list.txt', access: 'public', upstream: 'site' },
      { path: '/allow/:name', access: 'deny' }
    ]
  }
})
const ada = new Browser(gateway.url, gateway.publicUrl)
const nobody = new Browser(gateway.url, gateway.publicUrl)
await ada.signUp('ada')

t.test('a folder’s files are served under the paths they have in it', async (t) => {
  for (const [path, type, text] of [
    ['/', 'text/html; charset=utf-8', page],
    ['/index.html', 'text/html; charset=utf-8', page],
    ['/app.js', 'application/javascript; charset=utf-8', 'export {}'],
    ['/letters.txt?v=7', 'text/plain; charset=utf-8', letters],
    ['/empty.css', 'text/css; charset=utf-8', ''],
    ['/docs/guide/', 'text/html; charset=utf-8', 'guide'],
    ['/a%20b%2523%3F%23%C3%BC.txt', 'text/plain; charset=utf-8', 'odd']
  ] as const) {
    const { status, headers, text: body } = await nobody.ask(path)
    t.same([status, headers['content-type'], body], [200, type, text], path)
    t.equal(headers['x-content-type-options'], 'nosniff')
    t.ok(headers['x-request-id'])
  }
  const large = await askRaw(gateway.port, 'GET /large.bin HTTP/1.1', [`Host: ${new URL(gateway.publicUrl).host}`])
  t.equal(large.body.length, 3_000_000)
})

t.test('a folder without "/" at its end is redirected on this origin, its query kept', async (t) => {
  const { status, headers } = await nobody.ask('/docs/guide?tab=1&next=//evil')
  t.same([status, headers['location']], [301, '/docs/guide/?tab=1&next=//evil'])
  t.equal((await nobody.ask('/docs/bare')).status, 404, 'but not where it has no index.html')
  t.equal((await nobody.ask('/docs/bare/')).status, 404, 'and it is not listed')
})

t.test('what is not there is answered with the site’s own page, within what the rule covers', async (t) => {
  const missing = await nobody.ask('/no/such/page')
  t.same([missing.status, missing.text], [404, '<!doctype html>nothing of that name'])
  t.equal(missing.headers['cache-control'], 'no-store')
  t.equal((await nobody.ask('/no/such/page', { headers: { 'If-None-Match': '*', Range: 'bytes=0-1' } })).status, 404)
  const member = await ada.ask('/members/nobody')
  t.same([member.status, member.text], [404, 'no such member'])
  const none = await ada.ask('/optional/nothing')
  t.match(none.json(), { code: 'NOT_FOUND', requestId: /./ })
})

t.test('HEAD, ranges and revalidation work', async (t) => {
  const head = await nobody.ask('/letters.txt', { method: 'HEAD' })
  t.same([head.status, head.headers['content-length'], head.text], [200, '26', ''])
  const part = await nobody.ask('/letters.txt', { headers: { Range: 'bytes=2-4' } })
  t.same([part.status, part.headers['content-range'], part.text], [206, 'bytes 2-4/26', 'cde'])
  const beyond = await nobody.ask('/letters.txt', { headers: { Range: 'bytes=99-' } })
  t.same([beyond.status, beyond.headers['content-range']], [416, 'bytes */26'])
  const etag = String(head.headers['etag'])
  const again = await nobody.ask('/letters.txt', { headers: { 'If-None-Match': etag } })
  t.same([again.status, again.headers['etag'], again.text], [304, etag, ''])
  t.equal((await nobody.ask('/letters.txt', { headers: { 'If-Match': '"other"' } })).status, 412)
})

t.test('nothing but reading is served', async (t) => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const headers = { 'content-type': 'text/odd' }
    const answer = await nobody.ask('/letters.txt', { method, body: method === 'OPTIONS' ? '' : 'x', headers })
    t.same([answer.status, answer.headers['allow']], [405, 'GET, HEAD'], method)
  }
  t.equal((await nobody.ask('/members/', { method: 'POST' })).status, 401, 'and the policy comes first')
  t.equal(fastapi.requests.length, 0)
})

t.test('a guarded file needs a session, and a browser asks for it each time', async (t) => {
  for (const path of ['/members', '/members/', '/members/secret.js', '/members/nothing', '/members/404.html']) {
    const { status, text } = await nobody.ask(path)
    t.equal(status, 401, path)
    t.notMatch(text, /secret|member/)
  }
  const html = await ada.ask('/members/')
  t.same(
    [html.text, html.headers['cache-control'], html.headers['vary']],
    ['secret page', 'private, no-store', 'Cookie, Origin']
  )
  const script = await ada.ask('/members/secret.js')
  t.same([script.text, script.headers['cache-control']], ['secret code', 'private, no-cache'])
  const etag = String(script.headers['etag'])
  t.equal((await ada.ask('/members/secret.js', { headers: { 'If-None-Match': etag } })).status, 304)
  t.equal((await nobody.ask('/members/secret.js', { headers: { 'If-None-Match': etag } })).status, 401)
})

t.test('what everybody may see may be shared', async (t) => {
  const open = (await ada.ask('/letters.txt')).headers
  t.same([open['cache-control'], open['vary']], ['no-cache', 'Origin'])
  const either = (await nobody.ask('/optional/')).headers
  t.same([either['cache-control'], either['vary']], ['no-cache', 'Cookie, Origin'])
  t.equal((await ada.ask('/optional/')).headers['cache-control'], 'private, no-store')
})

t.test('a trusted origin may read files as it may read everything', async (t) => {
  const { headers } = await nobody.ask('/letters.txt', { headers: { origin: 'http://localhost:3000' } })
  t.equal(headers['access-control-allow-origin'], 'http://localhost:3000')
  t.equal(headers['access-control-allow-credentials'], 'true')
})
