import t, { type Test } from 'tap'
import { Browser } from '../../support/browser.ts'
import { startEchoUpstream } from '../../support/echo-upstream.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { pageLoad, refreshOf, sendForm, unescaped } from '../../support/pages.ts'
import { until } from '../../support/until.ts'

const password = 'correct horse battery'
const github = { clientId: 'an-id', clientSecret: 'a secret' }

/** Every address of this origin that a page holds. */
function addressesIn(page: string): string[] {
  return [...page.matchAll(/"(?:0;url=)?(\/(?!\/)[^"]*)"/g)].map(([, address = '']) => unescaped(address))
}

for (const publicUrl of ['http://localhost:8080', 'https://house.example']) {
  t.test(`everything of the gateway's own is where the policy file says, on ${publicUrl}`, async (t) => {
    const mails: string[] = []
    const send = async ({ url }: { url: string }) => {
      mails.push(url)
    }
    const upstream = await startEchoUpstream(t)
    const gateway = await startTestGateway(t, {
      upstreamUrl: upstream.url,
      env: {
        BETTER_AUTH_URL: publicUrl,
        BETTER_AUTH_SECRET: 'a secret for the tests that is long enough',
        DATABASE_DRIVER: 'pglite'
      },
      policy: {
        pages: { path: '/account' },
        routes: [
          { path: '/auth/*', access: 'public' },
          { path: '/api/auth/*', access: 'public' }
        ],
        bodies: { '/identity/stripe/webhook': 100_000 },
        auth: {
          basePath: '/identity',
          sendResetPassword: send,
          sendVerificationEmail: send,
          socialProviders: { github }
        }
      }
    })
    const somebody = () => new Browser(gateway.url, publicUrl)
    const setCookies: string[] = []

    async function open(t: Test, browser: Browser, path: string, status = 200) {
      const answer = await browser.ask(path, { headers: pageLoad })
      t.equal(answer.status, status, path)
      setCookies.push(...[answer.headers['set-cookie'] ?? []].flat())
      const wrong = addressesIn(answer.text).filter((address) => address !== '/' && !/^\/account(\/|$)/.test(address))
      t.same(wrong, [], `every link, form and file of ${path}`)
      return answer
    }

    t.test('what the default paths were is the application’s', async (t) => {
      for (const path of ['/auth/config', '/auth', '/auth/sign-in', '/api/auth/get-session', '/api/auth'])
        t.match((await somebody().ask(path, { headers: pageLoad })).json(), { url: path })
    })

    t.test('strangers are led to sign in, and from every page to every other', async (t) => {
      const ada = somebody()
      const private_ = await ada.ask('/private?x=1', { headers: pageLoad })
      t.equal(private_.status, 303)
      t.equal(private_.headers['location'], '/account/sign-in?next=%2Fprivate%3Fx%3D1')
      for (const page of ['sign-in', 'sign-up', 'forgot-password', 'reset-password?token=x'])
        await open(t, ada, `/account/${page}`)
      await open(t, ada, '/account/nothing', 404)
      await open(t, ada, '/account/sign-in?error=x')
      t.equal((await ada.ask('/account', { headers: pageLoad })).headers['location'], '/account/account')
      t.equal((await ada.ask('/account/sign-in/', { headers: pageLoad })).headers['location'], '/account/sign-in')
      t.equal(
        (await ada.ask('/account/account', { headers: pageLoad })).headers['location'],
        '/account/sign-in?next=%2Faccount%2Faccount'
      )
      const sent = await sendForm(ada, '/account/sign-in', {
        email: 'nobody@example.com',
        password,
        next: '/account/sign-in'
      })
      t.equal(sent.status, 401)
      t.notMatch(sent.text, /name="next"/, 'a sign-in page is no place to return to')
    })

    t.test('the policy of a page lets the script of its new place in, and the script is there', async (t) => {
      const page = await open(t, somebody(), '/account/sign-in')
      t.match(String(page.headers['content-security-policy']), `script-src ${publicUrl}/account/assets/;`)
      const files = [...page.text.matchAll(/(?:src|href)="([^"]*\/assets\/[^"]*)"/g)].map(([, file = '']) => file)
      t.ok(files.length >= 4)
      for (const file of files) t.equal((await somebody().ask(unescaped(file))).status, 200, file)
    })

    t.test('signing up, the account’s forms and signing out work there', async (t) => {
      const ada = somebody()
      const fields = { name: 'ada', email: 'ada@example.com', newPassword: password }
      const signedUp = await sendForm(ada, '/account/sign-up', { ...fields, next: '/private' })
      t.equal(refreshOf(signedUp.text), '/private')
      setCookies.push(...[signedUp.headers['set-cookie'] ?? []].flat())
      t.match((await ada.ask('/private', { headers: pageLoad })).json(), { url: '/private' })
      const account = await open(t, ada, '/account/account')
      t.match(account.text, 'data-account="/account/account"')
      const forms = [...account.text.matchAll(/<form method="post" action="([^"]*)"/g)].map(([, action]) => action)
      t.same(
        new Set(forms),
        new Set([
          '/account/sign-out',
          '/account/account/profile',
          '/account/account/verify-email',
          '/account/account/password',
          '/account/account/devices/revoke-others',
          '/account/account/delete'
        ])
      )
      const named = await sendForm(ada, '/account/account/profile', { name: 'Ada' })
      t.equal(named.headers['location'], '/account/account?notice=profile')
      const events = unescaped(/data-live="([^"]*)"/.exec(account.text)?.[1] ?? '')
      t.match(events, /^\/account\/account\/devices\?of=/)

      await sendForm(ada, '/account/account/verify-email', {})
      await until(() => mails.length === 1)
      const verify = new URL(mails[0] ?? '')
      t.equal(verify.origin + verify.pathname, `${publicUrl}/identity/verify-email`)
      t.equal(verify.searchParams.get('callbackURL'), '/account/sign-in?notice=confirmed')

      await open(t, ada, '/account/sign-out?next=/')
      const out = await sendForm(ada, '/account/sign-out', {})
      t.equal(out.headers['location'], '/account/sign-in?notice=signed-out')
      setCookies.push(...[out.headers['set-cookie'] ?? []].flat())
      await sendForm(ada, '/account/forgot-password', { email: 'ada@example.com' })
      await until(() => mails.length === 2)
      const reset = new URL(mails[1] ?? '')
      t.match(reset.origin + reset.pathname, `${publicUrl}/identity/reset-password/`)
      t.equal(reset.searchParams.get('callbackURL'), '/account/reset-password')
      t.same((await sendForm(ada, '/account/sign-in', { email: 'ada@example.com', password })).status, 303)
    })

    t.test('BetterAuth answers at its new place and under its limits', async (t) => {
      const grace = somebody()
      const fields = { name: 'grace', email: 'grace@example.com', password }
      t.equal((await grace.post('/identity/sign-up/email', fields)).status, 200)
      t.match((await grace.ask('/identity/get-session')).json(), { user: { email: 'grace@example.com' } })
      t.equal((await grace.post('/identity/nothing')).status, 404)
      const large = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(90_000) }
      t.equal((await grace.ask('/identity/sign-out', large)).status, 413)
      t.not((await grace.ask('/identity/stripe/webhook', large)).status, 413, '`bodies` names paths below it')
      t.not((await grace.ask('/identity/sso/saml2/callback/x', large)).status, 413, 'a SAML response is larger')
      const token = 'SECRETTOKEN'.repeat(3)
      await grace.ask(`/identity/reset-password/${token}?callbackURL=/x`)
      t.notMatch(gateway.logged(), token, 'the access log leaves out what may be a token')
    })

    t.test('a provider is told the new address, and its failures lead to the new sign-in page', async (t) => {
      const eve = somebody()
      const departure = await sendForm(eve, '/account/sign-in/social', { provider: 'github', next: '/private/x' })
      const provider = new URL(refreshOf(departure.text) ?? '')
      t.equal(provider.searchParams.get('redirect_uri'), `${publicUrl}/identity/callback/github`)
      for (const query of ['?code=x&state=made-up', '?error=access_denied&state=made-up']) {
        const answer = await eve.ask(`/identity/callback/github${query}`, { headers: pageLoad })
        const { pathname } = new URL(String(answer.headers['location']), publicUrl)
        t.equal(pathname, '/account/sign-in')
      }
    })

    t.test('every cookie is for the whole origin', async (t) => {
      t.ok(setCookies.length > 0)
      for (const cookie of setCookies) t.match(cookie, /; Path=\/(?:;|$)/)
      if (publicUrl.startsWith('https:')) for (const cookie of setCookies) t.match(cookie, /^__Host-/)
    })
  })
}

t.test('only the paths that were given are moved', async (t) => {
  const pages = await startTestGateway(t, { policy: { pages: { path: '/my/account' } } })
  t.equal((await new Browser(pages.url, pages.publicUrl).ask('/my/account/sign-in')).status, 200)
  t.equal((await new Browser(pages.url, pages.publicUrl).signUp('ada')).status, 200)
  const auth = await startTestGateway(t, { policy: { auth: { basePath: '/api/v1/identity' } } })
  t.equal((await new Browser(auth.url, auth.publicUrl).ask('/auth/sign-in')).status, 200)
  t.equal((await new Browser(auth.url, auth.publicUrl).ask('/api/v1/identity/get-session')).status, 200)
})
