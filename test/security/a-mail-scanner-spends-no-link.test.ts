import { magicLink } from 'better-auth/plugins'
import t, { type Test } from 'tap'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageLoad, refreshOf, sendForm } from '../support/pages.ts'
import { until } from '../support/until.ts'

// Mail scanners and previews open every link of a mail before the person does, with HEAD or with a GET without cookies. Each
// was taken for the person: the link was used, and whoever opened it first was signed in.

const password = 'correct horse battery'

async function start(t: Test, env: Record<string, string>, basePath = '/api/auth', pagesPath = '/auth') {
  const mails: string[] = []
  const send = async ({ url }: { url: string }) => void mails.push(url)
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, {
    env,
    upstreamUrl: upstream.url,
    policy: {
      pages: { path: pagesPath },
      auth: {
        basePath,
        plugins: [magicLink({ sendMagicLink: send })],
        sendResetPassword: send,
        sendVerificationEmail: send,
        emailVerification: { autoSignInAfterVerification: true },
        user: { deleteUser: { enabled: true, sendDeleteAccountVerification: send } }
      }
    }
  })
  return {
    gateway,
    somebody: () => new Browser(gateway.url, gateway.publicUrl),
    /** The path and query of the link that this makes BetterAuth mail. */
    async mailed(ask: () => Promise<unknown>): Promise<string> {
      mails.length = 0
      await ask()
      await until(() => mails.length > 0)
      const { pathname, search } = new URL(mails[0] ?? '')
      return pathname + search
    }
  }
}

type World = Awaited<ReturnType<typeof start>>

/** Everything that a scanner does to a link: none of it has an effect, nor does it get a cookie. */
async function scan(t: Test, { gateway, somebody }: World, link: string): Promise<void> {
  const ways: { method?: string; headers?: Record<string, string> }[] = [
    { method: 'HEAD' },
    { method: 'HEAD', headers: pageLoad },
    {},
    { headers: { accept: '*/*', 'user-agent': 'Mozilla/5.0 (compatible; scanner)' } },
    { headers: pageLoad },
    { headers: { ...pageLoad, 'sec-purpose': 'prefetch;prerender' } },
    { headers: { 'sec-fetch-mode': 'no-cors', 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'image' } }
  ]
  for (const way of ways) {
    const scanner = somebody()
    const answer = await scanner.ask(link, way)
    t.equal(answer.status, 303, JSON.stringify(way))
    t.equal(answer.text, '')
    const to = new URL(String(answer.headers['location']), gateway.publicUrl)
    t.equal(to.origin, new URL(gateway.publicUrl).origin)
    const page = await scanner.ask(to.pathname + to.search, way)
    t.equal(page.status, 200)
    t.equal(scanner.cookies.size, 0, 'no cookie')
  }
}

/** What a person does: opens the link, and presses the button of the page that it leads to. */
async function open(t: Test, { gateway }: World, browser: Browser, link: string) {
  const answer = await browser.ask(link, { headers: pageLoad })
  t.equal(answer.status, 303)
  const { pathname, search } = new URL(String(answer.headers['location']), gateway.publicUrl)
  const page = await browser.ask(pathname + search, { headers: pageLoad })
  t.match(page.text, '<form method="post"')
  return sendForm(browser, pathname + search, {})
}

t.test('a link that confirms an address', async (t) => {
  const world = await start(t, {})
  const { somebody } = world
  const ada = somebody()
  await ada.signUp('ada')
  const body = { email: 'ada@example.com', callbackURL: '/welcome?a=1#b' }
  const link = await world.mailed(() => ada.post('/api/auth/send-verification-email', body))
  const isConfirmed = async () => {
    const session = (await ada.ask('/api/auth/get-session')).json()
    return (session as { user: { emailVerified: boolean } }).user.emailVerified
  }
  await scan(t, world, link)
  t.equal(await isConfirmed(), false)

  const phone = somebody()
  const done = await open(t, world, phone, link)
  t.equal(done.status, 200)
  t.equal(refreshOf(done.text), '/welcome?a=1#b', 'and goes on where the link leads')
  t.equal(await isConfirmed(), true)
  t.equal((await phone.ask('/api/auth/get-session')).status, 200)
  t.ok(phone.cookies.size > 0, 'the person is signed in')

  const spoilt = await open(t, world, somebody(), link.replace('token=', 'token=x').replace(/&callbackURL=[^&]*/, ''))
  t.equal(spoilt.status, 400)
  t.match(spoilt.text, /This link was used already, or it is too old/)
})

for (const env of [{}, { BETTER_AUTH_URL: 'https://localhost:8443' }]) {
  t.test(`somebody who is signed in is not asked ${JSON.stringify(env)}`, async (t) => {
    const world = await start(t, { ...env })
    const ada = world.somebody()
    await ada.signUp('ada')
    const body = { email: 'ada@example.com', callbackURL: '/welcome' }
    const link = await world.mailed(() => ada.post('/api/auth/send-verification-email', body))
    t.equal((await ada.ask(link, { method: 'HEAD' })).headers['location']?.toString().startsWith('/auth/link/'), true)
    const prefetched = await ada.ask(link, { headers: { ...pageLoad, 'sec-purpose': 'prefetch' } })
    t.match(prefetched.headers['location'], /^\/auth\/link\//, 'but a browser that reads ahead is')
    t.equal((await ada.ask(link, { headers: pageLoad })).headers['location'], '/welcome')

    const others = world.somebody()
    const signIn = { email: 'bell@example.com', callbackURL: '/welcome' }
    const mailed = await world.mailed(() => others.post('/api/auth/sign-in/magic-link', signIn))
    await open(t, world, others, mailed)
    const names = [...others.cookies.keys()]
    t.ok(names.length > 0)
    const prefix = 'BETTER_AUTH_URL' in env ? '__Host-' : 'better-auth-'
    t.ok(
      names.every((name) => name.startsWith(prefix)),
      names.join()
    )
    t.match((await others.ask('/api/auth/get-session')).json(), { user: { email: 'bell@example.com' } })
  })
}

t.test('a script of a page is not asked', async (t) => {
  const world = await start(t, {})
  const ada = world.somebody()
  await ada.signUp('ada')
  const link = await world.mailed(() => ada.post('/api/auth/send-verification-email', { email: 'ada@example.com' }))
  const answer = await world.somebody().ask(link.replace(/&callbackURL=[^&]*/, ''), {
    headers: { 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin' }
  })
  t.match(answer.json(), { status: true })
})

t.test('a link that signs in', async (t) => {
  const world = await start(t, {})
  const { somebody } = world
  const body = { email: 'bell@example.com', callbackURL: '/welcome', newUserCallbackURL: '/new' }
  const link = await world.mailed(() => somebody().post('/api/auth/sign-in/magic-link', body))
  await scan(t, world, link)
  const bell = somebody()
  t.match(refreshOf((await open(t, world, bell, link)).text), /\/new$/)
  t.match((await bell.ask('/api/auth/get-session')).json(), { user: { email: 'bell@example.com' } })
  const again = await open(t, world, somebody(), link)
  t.match(refreshOf(again.text), /error=INVALID_TOKEN/, 'once')
})

t.test('a link to a new password', async (t) => {
  const world = await start(t, {})
  const { gateway, somebody } = world
  await somebody().signUp('cara')
  const ask = { email: 'cara@example.com', redirectTo: '/auth/reset-password' }
  const link = await world.mailed(() => somebody().post('/api/auth/request-password-reset', ask))
  for (const method of ['HEAD', 'GET', 'GET']) {
    const scanner = somebody()
    const answer = await scanner.ask(link, { method })
    const to = answer.headers['location']
    if (to !== undefined) {
      const { pathname, search } = new URL(String(to), gateway.publicUrl)
      t.equal((await scanner.ask(pathname + search, { method })).status, 200)
    }
    t.equal(scanner.cookies.size, 0)
  }
  const cara = somebody()
  const { searchParams } = new URL(
    String((await cara.ask(link, { headers: pageLoad })).headers['location']),
    gateway.publicUrl
  )
  const form = { token: searchParams.get('token') ?? '', newPassword: 'another fine passphrase' }
  t.equal((await sendForm(cara, '/auth/reset-password', form)).headers['location'], '/auth/sign-in?notice=reset')
})

t.test('a link that deletes an account', async (t) => {
  const world = await start(t, {})
  const { gateway, somebody } = world
  const dora = somebody()
  await dora.signUp('dora')
  const link = await world.mailed(() => dora.post('/api/auth/delete-user', { password, callbackURL: '/bye' }))
  await scan(t, world, link)
  t.equal((await somebody().signIn('dora')).status, 200, 'she is still there')

  const phone = somebody()
  const asked = await phone.ask(link, { headers: pageLoad })
  const { pathname, search } = new URL(String(asked.headers['location']), gateway.publicUrl)
  const first = await phone.ask(pathname + search, { headers: pageLoad })
  t.match(first.text, /Sign in to your account first/)
  const refused = await sendForm(phone, pathname + search, {})
  t.equal(refused.status, 400)
  t.match(refused.text, /Sign in to your account in this browser first/)
  const signedIn = await sendForm(phone, '/auth/sign-in', {
    email: 'dora@example.com',
    password,
    next: pathname + search
  })
  t.equal(signedIn.headers['location'], pathname + search, 'signing in leads back to the question')
  const question = await phone.ask(pathname + search, { headers: pageLoad })
  t.match(question.text, /Delete my account/)
  t.equal(refreshOf((await sendForm(phone, pathname + search, {})).text), '/bye')
  t.equal((await somebody().signIn('dora')).status, 401)
})

t.test('the page that asks is like every other: its form comes from here, and it leads nowhere foreign', async (t) => {
  const world = await start(t, {})
  const { somebody } = world
  const link = await world.mailed(() =>
    somebody().post('/api/auth/sign-in/magic-link', { email: 'eve@example.com', callbackURL: '/welcome' })
  )
  const page = link.replace('/api/auth/', '/auth/link/')
  const foreign = await sendForm(
    somebody(),
    page,
    {},
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  )
  t.equal(foreign.status, 403)
  for (const address of ['https://evil.example/', '//evil.example', 'javascript:alert(1)', 'data:text/html,x']) {
    const asked = page.replace(/callbackURL=[^&]*/, `callbackURL=${encodeURIComponent(address)}`)
    const refused = await sendForm(somebody(), asked, {})
    t.equal(refused.status, 403, address)
    t.equal(refreshOf(refused.text), undefined)
    t.notMatch(refused.headers['location'], /evil|javascript|data:/)
  }
  t.equal(refreshOf((await sendForm(somebody(), page, {})).text)?.endsWith('/welcome'), true, 'and none of it spent it')
})

t.test('where the pages and BetterAuth are moved, the question is too', async (t) => {
  const world = await start(t, {}, '/identity', '/account')
  const { somebody } = world
  const link = await world.mailed(() =>
    somebody().post('/identity/sign-in/magic-link', { email: 'eve@example.com', callbackURL: '/welcome' })
  )
  t.match(link, /^\/identity\/magic-link\/verify\?/)
  await scan(t, world, link)
  const eve = somebody()
  t.match((await eve.ask(link)).headers['location'], /^\/account\/link\/magic-link\/verify\?/)
  t.match(refreshOf((await open(t, world, eve, link)).text), /\/welcome$/)
  t.match((await eve.ask('/identity/get-session')).json(), { user: { email: 'eve@example.com' } })
})

t.test('without the built-in pages BetterAuth does as it does', async (t) => {
  const world = await start(t, { PAGES: 'false' })
  const ada = world.somebody()
  await ada.signUp('ada')
  const body = { email: 'ada@example.com', callbackURL: '/welcome' }
  const link = await world.mailed(() => ada.post('/api/auth/send-verification-email', body))
  t.equal((await world.somebody().ask(link)).headers['location'], '/welcome')
})
