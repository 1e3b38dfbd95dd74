import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageLoad, sendForm } from '../support/pages.ts'
import { dial } from '../support/websocket.ts'

const policy = {
  routes: [
    { path: '/public/*', access: 'public' },
    { path: '/deny/*', access: 'deny' }
  ],
  brand: { name: 'A house' }
} as const
const gateway = await startTestGateway(t, { upstreamUrl: 'http://127.0.0.1:1', policy })
const somebody = () => new Browser(gateway.url, gateway.publicUrl)

t.test('a page load that is refused gets a page with the same status and the request id', async (t) => {
  const cases: [path: string, status: number, code: string, words: RegExp][] = [
    ['/deny/x', 404, 'NOT_FOUND', /Page not found/],
    ['/auth/none', 404, 'NOT_FOUND', /Page not found/],
    ['/public/x', 502, 'UPSTREAM_UNREACHABLE', /Not available right now/],
    ['/public/%5Cx', 400, 'PATH_AMBIGUOUS', /Not a valid address/]
  ]
  for (const [path, status, code, words] of cases) {
    const answer = await somebody().ask(path, { headers: pageLoad })
    t.equal(answer.status, status, path)
    t.equal(answer.headers['content-type'], 'text/html; charset=utf-8')
    t.equal(answer.headers['cache-control'], 'no-store')
    t.match(answer.text, words)
    t.match(answer.text, code)
    t.match(answer.text, /· A house<\/title>/)
    t.match(answer.text, String(answer.headers['x-request-id']))
  }
})

t.test('a program gets the problem, as ever', async (t) => {
  for (const headers of [
    {},
    { accept: 'application/json' },
    { ...pageLoad, 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }
  ]) {
    const { status, headers: answered, json } = await somebody().ask('/deny/x', { headers })
    t.equal(status, 404)
    t.equal(answered['content-type'], 'application/problem+json')
    t.equal(answered['content-security-policy'], undefined)
    t.match(json(), { code: 'NOT_FOUND', status: 404, type: 'urn:gatehouse:problem:not-found' })
    const refused = await somebody().ask('/private', { headers })
    t.equal(refused.status, 401)
    t.match(refused.json(), { code: 'SESSION_REQUIRED' })
    t.equal(refused.headers['www-authenticate'], 'Cookie realm="gatehouse"')
  }
})

t.test('a script that asks for a part of a page gets the problem too', async (t) => {
  const jquery = { accept: 'text/html, */*; q=0.01', 'x-requested-with': 'XMLHttpRequest' }
  const answer = await somebody().ask('/private/rows', { headers: jquery })
  t.same([answer.status, answer.headers['content-type']], [401, 'application/problem+json'])
  t.match(answer.json(), { code: 'SESSION_REQUIRED' })
  t.same([answer.headers['location'], answer.headers['hx-redirect']], [undefined, undefined])
})

t.test('htmx is told where to sign in, and comes back to the page that it works in', async (t) => {
  const home = gateway.publicUrl
  const htmx = async (headers: Record<string, string>, method = 'GET', path = '/private/rows') => {
    const {
      status,
      headers: answered,
      json
    } = await somebody().ask(path, {
      method,
      headers: { accept: '*/*', 'hx-request': 'true', ...headers }
    })
    return { status, redirect: answered['hx-redirect'], code: (json() as { code: string }).code }
  }
  const to = (next: string) => ({
    status: 401,
    redirect: `/auth/sign-in?next=${encodeURIComponent(next)}`,
    code: 'SESSION_REQUIRED'
  })
  for (const method of ['GET', 'POST', 'DELETE']) {
    t.same(await htmx({ 'hx-current-url': `${home}/board?week=7#today` }, method), to('/board?week=7#today'), method)
  }
  t.same(await htmx({ 'hx-current-url': home }), to('/'))
  t.same(await htmx({}), to('/'), 'without an address')
  for (const elsewhere of [
    'https://evil.example/board',
    `${home}.evil.example/board`,
    `${home}@evil.example/`,
    home.replace('http:', 'https:'),
    '/board',
    '//evil.example',
    `${home}//evil.example`,
    `${home}/auth/sign-in?next=/x`,
    `http://${'é'.repeat(4_000)}/`,
    'javascript:alert(1)',
    'no address'
  ])
    t.same(await htmx({ 'hx-current-url': Buffer.from(elsewhere).toString('latin1') }), to('/'), elsewhere.slice(0, 60))
  const other = await htmx({ 'hx-current-url': `${home}/board` }, 'GET', '/deny/x')
  t.same(other, { status: 404, redirect: undefined, code: 'NOT_FOUND' })
})

t.test('only a GET is sent to sign in: a form that needs a session is told that nothing was done', async (t) => {
  const answer = await sendForm(somebody(), '/private/save', { text: 'x' })
  t.equal(answer.status, 401)
  t.match(answer.text, /Sign in first/)
  t.match(answer.text, /nothing was done/)
  const head = await somebody().ask('/private', { method: 'HEAD', headers: pageLoad })
  t.equal(head.status, 401)
})

t.test('a WebSocket is refused as ever', async (t) => {
  const refused = await dial(t, `${gateway.publicUrl.replace('http', 'ws')}/private`, {
    headers: { accept: 'text/html' }
  })
  t.equal(refused.status, 401)
  t.match('body' in refused && refused.body, /SESSION_REQUIRED/)
})

t.test('with two session cookies a person is told to clear them', async (t) => {
  const nobody = somebody()
  const cookie = `${nobody.sessionCookie}=a; ${nobody.sessionCookie}=b`
  const answer = await nobody.ask('/auth/account', { headers: { ...pageLoad, cookie } })
  t.equal(answer.status, 400)
  t.match(answer.text, /Clear the cookies of this site/)
})

t.test('a page and a refusal are held by the same headers', async (t) => {
  const [page, refusal] = [
    await somebody().ask('/auth/sign-in', { headers: pageLoad }),
    await somebody().ask('/deny/x', { headers: pageLoad })
  ]
  const names = ['content-security-policy', 'x-frame-options', 'x-content-type-options', 'referrer-policy']
  for (const name of [...names, 'cross-origin-opener-policy', 'cross-origin-resource-policy']) {
    const withoutScript = String(page.headers[name]).replace(/(script-src|connect-src) [^;]+/g, "$1 'none'")
    t.equal(refusal.headers[name], withoutScript, name)
  }
})
