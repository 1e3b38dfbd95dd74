import { createHash } from 'node:crypto'
import { oauthProvider } from '@better-auth/oauth-provider'
import { jwt, twoFactor } from 'better-auth/plugins'
import t, { type Test } from 'tap'
import { Browser } from '../../support/browser.ts'
import { origins } from '../../support/cookie-names.ts'
import { startEchoUpstream } from '../../support/echo-upstream.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { pageLoad, refreshOf, sendForm, unescaped } from '../../support/pages.ts'
import { totp } from '../../support/totp.ts'
import { until } from '../../support/until.ts'

const password = 'correct horse battery'
const mails: string[] = []

/** An identity provider that signs everybody in as the same person. */
async function startGitLab(t: Test): Promise<string> {
  const { url } = await startEchoUpstream(t, (request, response) => {
    const token = request.url?.startsWith('/oauth/token') === true
    const user = { id: 7, name: 'Gil', username: 'gil', email: 'gil@example.com', state: 'active', locked: false }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(token ? { access_token: 'x', token_type: 'Bearer' } : user))
  })
  return url
}

async function start(t: Test, env: Readonly<Record<string, string>>, { confirmFirst = false } = {}) {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: { ...env },
    policy: {
      routes: [{ path: '/consent', access: 'public' }],
      auth: {
        plugins: [
          jwt(),
          twoFactor(),
          oauthProvider({
            loginPage: '/auth/sign-in',
            consentPage: '/consent',
            allowDynamicClientRegistration: true,
            allowUnauthenticatedClientRegistration: true,
            silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true }
          })
        ],
        emailAndPassword: { requireEmailVerification: confirmFirst },
        ...(confirmFirst && { sendVerificationEmail: async ({ url }: { url: string }) => void mails.push(url) }),
        socialProviders: { gitlab: { clientId: 'id', clientSecret: 'secret', issuer: await startGitLab(t) } }
      }
    }
  })
  const somebody = () => new Browser(gateway.url, gateway.publicUrl)
  const registered = await somebody().post('/api/auth/oauth2/register', {
    redirect_uris: ['https://app.example.net/callback'],
    token_endpoint_auth_method: 'none',
    client_name: 'An application'
  })
  if (registered.status !== 201) throw new Error(registered.text)
  const { client_id: clientId } = registered.json() as { client_id: string }
  const path = (location: unknown) => {
    const { pathname, search } = new URL(String(location), gateway.publicUrl)
    return pathname + search
  }

  const verifier = 'v'.repeat(50)
  /** Answers the page for consent at this address as the person there would. */
  const consent = (browser: Browser, address: string, headers: Record<string, string> = {}) =>
    browser.ask('/api/auth/oauth2/consent', {
      method: 'POST',
      body: { accept: true, oauth_query: address.slice(address.indexOf('?') + 1) },
      headers
    })
  /** Whom the application is told of once this browser has consented. */
  async function subjectAfterConsent(browser: Browser, address: string): Promise<string> {
    const { url } = (await consent(browser, address)).json() as { url: string }
    const code = new URL(url).searchParams.get('code') ?? ''
    const redirectUri = 'https://app.example.net/callback'
    const form = { grant_type: 'authorization_code', code, client_id: clientId, redirect_uri: redirectUri }
    const exchanged = () =>
      somebody().ask('/api/auth/oauth2/token', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ ...form, code_verifier: verifier }).toString()
      })
    const { id_token: token = '' } = (await exchanged()).json() as { id_token?: string }
    t.equal((await exchanged()).status, 400, 'a code is good once')
    const { sub } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string }
    return sub
  }

  return {
    gateway,
    consent,
    subjectAfterConsent,
    /** Somebody who is signed in, the application's request of theirs, and whom the application is told of. */
    async signedIn(name: string) {
      const browser = somebody()
      await browser.signIn(name)
      const address = await this.begin(browser, { prompt: 'consent' })
      return { browser, address, sub: await subjectAfterConsent(browser, address) }
    },
    somebody,
    path,
    /** Follows the application's link in this browser, to where the gateway leads. */
    async begin(browser: Browser, more: Record<string, string> = {}): Promise<string> {
      const query = new URLSearchParams({
        response_type: 'code',
        client_id: clientId,
        redirect_uri: 'https://app.example.net/callback',
        scope: 'openid email',
        state: 'the state & more',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        ...more
      })
      const answer = await browser.ask(`/api/auth/oauth2/authorize?${query}`, { headers: pageLoad })
      t.equal(answer.status, 302)
      return path(answer.headers['location'])
    },
    /** Whether an address is that of the page for consent, about the application's own request. */
    isConsent(t: Test, address: string | undefined): void {
      const { pathname, searchParams } = new URL(address ?? '', gateway.publicUrl)
      t.equal(pathname, '/consent')
      t.equal(searchParams.get('client_id'), clientId)
      t.equal(searchParams.get('state'), 'the state & more')
      t.ok(searchParams.has('sig'))
    }
  }
}

/** What the form of a page to this address sends by itself. */
function hiddenOf(page: string, action: string): Record<string, string> {
  const [, form = ''] = new RegExp(`<form method="post" action="${action}"[^>]*>(.*?)</form>`, 's').exec(page) ?? []
  const fields = [...form.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)]
  return Object.fromEntries(fields.map(([, name = '', value = '']) => [name, unescaped(value)]))
}

for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    const world = await start(t, env)
    const { somebody, begin, isConsent, path } = world
    await somebody().signUp('ada')

    t.test('signing in leads on to what the application has asked for', async (t) => {
      const ada = somebody()
      const address = await begin(ada)
      t.match(address, /^\/auth\/sign-in\?.*sig=/)
      const page = await ada.ask(address, { headers: pageLoad })
      const carried = hiddenOf(page.text, '/auth/sign-in')
      t.match(carried['oauth_query'], /sig=/)
      const wrong = await sendForm(ada, '/auth/sign-in', { ...carried, email: 'ada@example.com', password: 'not it' })
      t.equal(wrong.status, 401)
      t.same(hiddenOf(wrong.text, '/auth/sign-in'), carried, 'a wrong password loses nothing')
      const right = await sendForm(ada, '/auth/sign-in', { ...carried, email: 'ada@example.com', password })
      t.equal(right.status, 200)
      isConsent(t, refreshOf(right.text))
    })

    t.test('so does signing up', async (t) => {
      const bell = somebody()
      const signIn = await bell.ask(await begin(bell), { headers: pageLoad })
      const [, link = ''] = /href="(\/auth\/sign-up\?[^"]*)"/.exec(signIn.text) ?? []
      const page = await bell.ask(unescaped(link), { headers: pageLoad })
      const carried = hiddenOf(page.text, '/auth/sign-up')
      const entered = { ...carried, name: 'Bell', email: 'bell@example.com' }
      const short = await sendForm(bell, '/auth/sign-up', { ...entered, newPassword: 'short' })
      t.equal(short.status, 400)
      t.same(hiddenOf(short.text, '/auth/sign-up'), carried)
      isConsent(t, refreshOf((await sendForm(bell, '/auth/sign-up', { ...entered, newPassword: password })).text))
    })

    t.test('so does a second factor', async (t) => {
      const cara = somebody()
      await cara.signUp('cara')
      const { totpURI } = (await cara.post('/api/auth/two-factor/enable', { password })).json() as { totpURI: string }
      t.equal((await cara.post('/api/auth/two-factor/verify-totp', { code: totp(totpURI) })).status, 200)

      const phone = somebody()
      const signIn = await phone.ask(await begin(phone), { headers: pageLoad })
      const first = await sendForm(phone, '/auth/sign-in', {
        ...hiddenOf(signIn.text, '/auth/sign-in'),
        email: 'cara@example.com',
        password
      })
      t.equal(first.status, 303)
      t.match(first.headers['location'], /^\/auth\/second-factor\?.*sig=/)
      const page = await phone.ask(path(first.headers['location']), { headers: pageLoad })
      const carried = hiddenOf(page.text, '/auth/second-factor')
      const wrong = await sendForm(phone, '/auth/second-factor', { ...carried, code: '000000' })
      t.equal(wrong.status, 401)
      t.match(wrong.text, /This code is not right/)
      const done = await sendForm(phone, '/auth/second-factor', {
        ...hiddenOf(wrong.text, '/auth/second-factor'),
        code: totp(totpURI)
      })
      isConsent(t, refreshOf(done.text))
    })

    t.test('so does a social provider, also after it has failed', async (t) => {
      const gil = somebody()
      const signIn = await gil.ask(await begin(gil), { headers: pageLoad })
      const carried = hiddenOf(signIn.text, '/auth/sign-in/social')
      const leave = () => sendForm(gil, '/auth/sign-in/social', { ...carried, provider: 'gitlab' })
      const stateOf = (page: string) =>
        encodeURIComponent(new URL(refreshOf(page) ?? '').searchParams.get('state') ?? '')

      const state = stateOf((await leave()).text)
      const denied = await gil.ask(`/api/auth/callback/gitlab?error=access_denied&state=${state}`, {
        headers: pageLoad
      })
      const again = await gil.ask(path(denied.headers['location']), { headers: pageLoad })
      t.match(again.text, /The sign-in was broken off/)
      t.same(hiddenOf(again.text, '/auth/sign-in/social'), carried)

      const back = await gil.ask(`/api/auth/callback/gitlab?code=x&state=${stateOf((await leave()).text)}`, {
        headers: pageLoad
      })
      t.equal(back.status, 302)
      isConsent(t, path(back.headers['location']))
    })

    t.test('who is signed in already may go on, unless the application asks for a sign-in', async (t) => {
      const stranger = somebody()
      const address = await begin(stranger)
      const strict = await begin(stranger, { prompt: 'login' })
      const ada = somebody()
      await ada.signIn('ada')
      const page = await ada.ask(address, { headers: pageLoad })
      t.equal(page.status, 200)
      const [, link = ''] = /<a href="([^"]+)">Go on as you are/.exec(page.text) ?? []
      const answer = await ada.ask(unescaped(link), { headers: pageLoad })
      t.equal(answer.status, 302)
      isConsent(t, path(answer.headers['location']))
      const asked = await ada.ask(strict, { headers: pageLoad })
      t.equal(asked.status, 200)
      t.notMatch(asked.text, /Go on as you are/)
      const carried = hiddenOf(asked.text, '/auth/sign-in')
      isConsent(
        t,
        refreshOf((await sendForm(ada, '/auth/sign-in', { ...carried, email: 'ada@example.com', password })).text)
      )
    })

    t.test('what nobody has signed leads nowhere', async (t) => {
      const ada = somebody()
      const address = await begin(ada)
      const page = await ada.ask(address.replace('state=', 'state=forged'), { headers: pageLoad })
      const carried = hiddenOf(page.text, '/auth/sign-in')
      const refused = await sendForm(ada, '/auth/sign-in', { ...carried, email: 'ada@example.com', password })
      t.equal(refused.status, 400)
      t.match(refused.text, /Go back to the application that sent you here/)
      t.equal(refreshOf(refused.text), undefined)

      const more = await ada.ask(`${address}&added=by+somebody`, {
        headers: pageLoad
      })
      t.notMatch(hiddenOf(more.text, '/auth/sign-in')['oauth_query'], /added/, 'only what was signed is kept')
      const long = await ada.ask(`${address}&scope=${'x'.repeat(9_000)}`, { headers: pageLoad })
      t.equal(hiddenOf(long.text, '/auth/sign-in')['oauth_query'], undefined)
    })

    t.test('it is good for what was signed alone, and once for each parameter', async (t) => {
      const address = await begin(somebody())
      const evil = encodeURIComponent('https://evil.example/callback')
      const forged = [
        `${address}&redirect_uri=${evil}`,
        address.replace('?', `?redirect_uri=${evil}&`),
        `${address}&client_id=another`,
        `${address}&ba_param=next&next=/me`,
        `${address}&sig=x`,
        `${address}&exp=9999999999`,
        address.replace('scope=openid+email', 'scope=openid+email+offline_access')
      ]
      const harmless = [
        `${address}&next=https://evil.example`,
        `${address}&next=//evil.example`,
        `${address}&callbackURL=${evil}&redirectTo=${evil}&REDIRECT_URI=${evil}`
      ]
      for (const changed of [...forged, ...harmless]) {
        const ada = somebody()
        const carried = hiddenOf((await ada.ask(changed, { headers: pageLoad })).text, '/auth/sign-in')
        const answer = await sendForm(ada, '/auth/sign-in', { ...carried, email: 'ada@example.com', password })
        if (harmless.includes(changed)) isConsent(t, refreshOf(answer.text))
        else {
          t.equal(answer.status, 400, changed)
          t.equal(refreshOf(answer.text), undefined)
          t.equal(ada.cookies.size, 0, 'nobody is signed in by it')
        }
      }
      const oauthQuery = address.slice(address.indexOf('?') + 1)
      for (const odd of [[oauthQuery], { query: oauthQuery }, 1]) {
        const body = { email: 'ada@example.com', password, oauth_query: odd }
        t.equal((await somebody().post('/api/auth/sign-in/email', body)).status, 400)
      }
    })

    t.test('the application is told of whoever signs in with the form, and of nobody else', async (t) => {
      const { browser, address, sub } = await world.signedIn('ada')
      const strict = await begin(browser, { prompt: 'login consent' })
      const carried = hiddenOf((await browser.ask(strict, { headers: pageLoad })).text, '/auth/sign-in')
      const changed = await sendForm(browser, '/auth/sign-in', { ...carried, email: 'bell@example.com', password })
      const bell = await world.signedIn('bell')
      t.equal(await world.subjectAfterConsent(browser, refreshOf(changed.text) ?? ''), bell.sub)
      t.not(bell.sub, sub)
      const foreign = await world.consent(browser, address, { origin: 'https://evil.example' })
      t.equal(foreign.status, 403)
      t.equal((await world.consent(somebody(), address)).status, 401)
    })

    t.test('an address that has to be confirmed first is no end of it', async (t) => {
      mails.length = 0
      const { somebody, begin, isConsent, path } = await start(t, env, { confirmFirst: true })
      const eve = somebody()
      const page = await eve.ask((await begin(eve)).replace('/sign-in', '/sign-up'), { headers: pageLoad })
      const made = await sendForm(eve, '/auth/sign-up', {
        ...hiddenOf(page.text, '/auth/sign-up'),
        name: 'Eve',
        email: 'eve@example.com',
        newPassword: password
      })
      t.match(made.headers['location'], /notice=confirm-mail&.*sig=/)
      await until(() => mails.length > 0)
      const link = path(mails[0])
      const asked = await eve.ask(link, { headers: pageLoad })
      const confirmed = await sendForm(eve, path(asked.headers['location']), {})
      t.match(confirmed.headers['location'], /notice=confirmed&.*sig=/)
      const signIn = await eve.ask(path(confirmed.headers['location']), { headers: pageLoad })
      t.match(signIn.text, /Your address is confirmed/)
      const carried = hiddenOf(signIn.text, '/auth/sign-in')
      isConsent(
        t,
        refreshOf((await sendForm(eve, '/auth/sign-in', { ...carried, email: 'eve@example.com', password })).text)
      )
    })
  })
