import t from 'tap'
import { Browser } from '../../support/browser.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { pageLoad, refreshOf, sendForm } from '../../support/pages.ts'

const gateway = await startTestGateway(t, {
  policy: { auth: { socialProviders: { github: { clientId: 'an-id', clientSecret: 'a secret' } } } }
})
const somebody = () => new Browser(gateway.url, gateway.publicUrl)
const wrong = { email: 'ada@example.com', password: 'not the password' }
await somebody().signUp('ada')

t.test('form and API share one limit', async (t) => {
  // Again when a slow machine had them outlast the window that they are counted in.
  for (let began = 0; began === 0 || Date.now() - began > 9_000; ) {
    began = Date.now()
    const eve = somebody()
    t.equal((await eve.signIn('ada', wrong.password)).status, 401)
    t.equal((await sendForm(eve, '/auth/sign-in', wrong)).status, 401)
    t.equal((await eve.signIn('ada', wrong.password)).status, 401)
    const refused = await sendForm(eve, '/auth/sign-in', wrong)
    if (refused.status !== 429) continue
    t.match(refused.headers['retry-after'], /^\d+$/)
    t.match(refused.text, /too many attempts/)
    t.match(refused.text, /value="ada@example.com"/, 'what was typed is still there')
    t.equal((await eve.signIn('ada')).status, 429)
    return
  }
  t.fail('the fourth attempt was not refused')
})

t.test('a session from the form is remembered only when that was asked for', async (t) => {
  const sessionCookie = (cookies: string | string[] | undefined) =>
    [cookies ?? []].flat().find((cookie) => cookie.startsWith(`${somebody().sessionCookie}=`)) ?? ''
  const right = { ...wrong, password: 'correct horse battery' }
  const stays = await sendForm(somebody(), '/auth/sign-in', { ...right, rememberMe: 'on' })
  t.match(sessionCookie(stays.headers['set-cookie']), /Max-Age=\d+.*HttpOnly/)
  const goes = await sendForm(somebody(), '/auth/sign-in', right)
  t.notMatch(sessionCookie(goes.headers['set-cookie']), /Max-Age|^$/)
})

t.test('a provider is a button, and leads there by a page, not by the form', async (t) => {
  const eve = somebody()
  t.match((await eve.ask('/auth/sign-in', { headers: pageLoad })).text, /value="github">Continue with GitHub/i)
  const departure = await sendForm(eve, '/auth/sign-in/social', { provider: 'github', next: '/private/x' })
  t.equal(departure.status, 200)
  const url = new URL(refreshOf(departure.text) ?? '')
  t.equal(url.origin, 'https://github.com')
  t.equal(url.searchParams.get('client_id'), 'an-id')
  t.equal(url.searchParams.get('redirect_uri'), `${gateway.publicUrl}/api/auth/callback/github`)
  t.ok(
    [...eve.cookies.keys()].some((name) => name.includes('state')),
    'the state is tied to this browser'
  )
  const unknown = await sendForm(somebody(), '/auth/sign-in/social', { provider: 'nobody' })
  t.equal(unknown.status, 400)
})

t.test('with a slash at its end an address leads to the page', async (t) => {
  for (const [path, to] of [
    ['/auth/', '/auth'],
    ['/auth/sign-in/?next=/private/', '/auth/sign-in?next=/private/'],
    ['/auth/none/', '/auth/none']
  ] as const) {
    const { status, headers } = await somebody().ask(path, { headers: pageLoad })
    t.equal(status, 303, path)
    t.equal(headers['location'], to)
  }
  t.equal((await somebody().ask('/auth/none', { headers: pageLoad })).status, 404)
  t.equal((await sendForm(somebody(), '/auth/sign-in/', wrong)).status, 404, 'a form is not sent on')
})

t.test('a wrong password says nothing about whether there is such an account', async (t) => {
  const known = await sendForm(somebody(), '/auth/sign-in', wrong)
  const unknown = await sendForm(somebody(), '/auth/sign-in', { ...wrong, email: 'nobody@example.com' })
  t.equal(known.status, 401)
  t.equal(unknown.status, 401)
  t.equal(known.text, unknown.text.replaceAll('nobody@example.com', 'ada@example.com'))
})

t.test('files of the pages are kept for ever by their version, and no longer without', async (t) => {
  const { text } = await somebody().ask('/auth/sign-in', { headers: pageLoad })
  const urls = [...text.matchAll(/(?:href|src)="(\/auth\/assets\/[^"]+)"/g)].map(([, url = '']) => url)
  t.ok(urls.length >= 4)
  for (const url of urls) {
    const kept = await somebody().ask(url)
    t.equal(kept.status, 200, url)
    t.match(kept.headers['cache-control'], /immutable/)
    t.equal((await somebody().ask(url.split('?')[0] ?? '')).headers['cache-control'], 'no-cache')
  }
  t.equal((await somebody().ask('/auth/assets/brand.ts')).status, 404)
})
