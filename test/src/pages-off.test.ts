import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageLoad } from '../support/pages.ts'

t.test('without the pages a page load is refused like any request, and /auth is the application’s', async (t) => {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: { PAGES: 'false' },
    policy: { routes: [{ path: '/auth/*', access: 'public' }] }
  })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  const refused = await ada.ask('/private', { headers: pageLoad })
  t.equal(refused.status, 401)
  t.equal(refused.headers['content-type'], 'application/problem+json')
  t.match((await ada.ask('/auth/sign-in', { headers: pageLoad })).json(), { url: '/auth/sign-in' })
})

t.test('with sign-up closed there is no page for it and no link to it', async (t) => {
  const gateway = await startTestGateway(t, { env: { PUBLIC_SIGN_UP: 'false' } })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  const page = await ada.ask('/auth/sign-in', { headers: pageLoad })
  t.equal(page.status, 200)
  t.notMatch(page.text, /sign-up/)
  const closed = await ada.ask('/auth/sign-up', { headers: pageLoad })
  t.equal(closed.status, 404)
  t.match(closed.text, /Page not found/)
})

t.test('without mail nothing is offered that needs one', async (t) => {
  const gateway = await startTestGateway(t)
  const ada = new Browser(gateway.url, gateway.publicUrl)
  t.notMatch((await ada.ask('/auth/sign-in', { headers: pageLoad })).text, /forgot-password/)
  t.equal((await ada.ask('/auth/forgot-password', { headers: pageLoad })).status, 404)
  await ada.signUp('ada')
  t.notMatch((await ada.ask('/auth/account', { headers: pageLoad })).text, /verify-email|not confirmed/)
})

t.test('under another name of this machine the pages lead to the public origin', async (t) => {
  const gateway = await startTestGateway(t)
  const { port } = new URL(gateway.publicUrl)
  const answer = await fetch(`http://127.0.0.1:${port}/auth/sign-in?next=%2Fx`, { redirect: 'manual' })
  t.equal(answer.status, 303)
  t.equal(answer.headers.get('location'), `${gateway.publicUrl}/auth/sign-in?next=%2Fx`)
})
