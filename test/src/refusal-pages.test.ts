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
