import t from 'tap'
import { withAdmin } from '../support/admin-plugin.ts'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageLoad, refreshOf, sendForm, unescaped } from '../support/pages.ts'
import { until } from '../support/until.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, {
  upstreamUrl: upstream.url,
  policy: {
    routes: [
      { path: '/admin/*', access: 'session', roles: ['admin'] },
      { path: '/invoices/*', access: 'session', verified: true },
      { path: '/export/*', access: 'session', freshWithin: 2 }
    ],
    auth: withAdmin
  }
})
const ada = new Browser(gateway.url, gateway.publicUrl)
await ada.signUp('ada')
const open = (path: string) => ada.ask(path, { headers: pageLoad })
const linksOf = (page: string) =>
  [...page.matchAll(/<a class="button[^"]*" href="([^"]+)"/g)].map(([, href = '']) => unescaped(href))

t.test('who lacks a role or a verified address is told so on a page, and where to go', async (t) => {
  for (const [path, code, words] of [
    ['/admin/x', 'ROLE_REQUIRED', /people with another role/],
    ['/invoices/7?page=2', 'EMAIL_UNVERIFIED', /Open the link in the mail/]
  ] as const) {
    const page = await open(path)
    t.equal(page.status, 403, path)
    t.equal(page.headers['cache-control'], 'no-store')
    t.match(page.text, code)
    t.match(page.text, words)
    t.same(linksOf(page.text), ['/auth/account', `/auth/sign-in?again&next=${encodeURIComponent(path)}`])
  }
})

t.test('whose session is no longer fresh signs in again from the page, and is let in', async (t) => {
  const path = '/export/all?as=csv'
  await until(async () => (await open(path)).status === 403)
  const refused = await open(path)
  t.match(refused.text, /SESSION_NOT_FRESH/)
  const [again = ''] = linksOf(refused.text)
  const form = await open(again)
  t.equal(form.status, 200, 'the form is shown to who is signed in')
  const next = unescaped(/name="next" value="([^"]+)"/.exec(form.text)?.[1] ?? '')
  const entered = { email: 'ada@example.com', password: 'correct horse battery', next }
  const signIn = await sendForm(ada, '/auth/sign-in', entered)
  t.equal(refreshOf(signIn.text), path)
})

t.test('who follows links to the API too often is told on a page how long to wait', async (t) => {
  const eve = new Browser(gateway.url, gateway.publicUrl)
  const follow = () => eve.ask('/api/auth/reset-password/x?callbackURL=/', { headers: pageLoad })
  let page = await follow()
  // All at once, so that a slow machine has them within the window that they are counted in.
  await until(async () => {
    const pages = await Promise.all(Array.from({ length: 110 }, follow))
    page = pages.find(({ status }) => status === 429) ?? page
    return page.status === 429
  })
  t.match(page.headers['retry-after'], /^\d+$/)
  t.match(page.headers['content-type'], /^text\/html/)
  t.match(page.text, /Too many attempts[\s\S]*Wait (a second|\d+ seconds), then try again/)
  t.same(linksOf(page.text), ['/api/auth/reset-password/x?callbackURL=/'], 'to try again')
})
