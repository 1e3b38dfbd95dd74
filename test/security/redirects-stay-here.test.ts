import { magicLink } from 'better-auth/plugins'
import t, { type Test } from 'tap'
import { type Answer, Browser } from '../support/browser.ts'
import { origins } from '../support/cookie-names.ts'
import { startTestGateway } from '../support/gateway.ts'
import { refreshOf, sendForm } from '../support/pages.ts'

for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    const protocol = 'BETTER_AUTH_URL' in env ? 'https:' : 'http:'
    const trusted = `${protocol}//sub.localhost:3999`
    const links: string[] = []
    const gateway = await startTestGateway(t, {
      env: { ...env, TRUSTED_ORIGINS: trusted },
      policy: {
        auth: {
          socialProviders: { github: { clientId: 'id', clientSecret: 'secret' } },
          plugins: [magicLink({ sendMagicLink: async ({ url }) => void links.push(url) })],
          sendResetPassword: async ({ url }) => void links.push(url),
          sendVerificationEmail: async ({ url }) => void links.push(url),
          emailVerification: { sendOnSignUp: true }
        }
      }
    })
    const home = gateway.publicUrl
    const { host } = new URL(home)
    const port = new URL(home).port

    const evil = [
      '//evil.example',
      '///evil.example',
      '////evil.example/',
      '/\\evil.example',
      '\\\\evil.example',
      '/\\/evil.example',
      '\\/evil.example',
      '/\t/evil.example',
      '/\n/evil.example',
      '\t//evil.example',
      ' //evil.example',
      '/.//evil.example',
      '/a/..//evil.example',
      '/%2e//evil.example',
      '/a/%2e%2e//evil.example',
      '/%09/evil.example',
      '/%2f/evil.example',
      '/%2Fevil.example',
      '/%5cevil.example',
      '/%5C%5Cevil.example',
      '%2f%2fevil.example',
      '%2F%2Fevil.example',
      'https:evil.example',
      'https:/evil.example',
      'https://evil.example',
      'HTTPS://evil.example',
      'http:evil.example',
      'https:\\evil.example',
      ' https://evil.example',
      '\u0001https://evil.example',
      'https%3A%2F%2Fevil.example',
      '%252F%252Fevil.example',
      '/%252Fevil.example',
      'ftp://evil.example',
      'javascript:alert(1)',
      'JavaScript:alert(1)',
      'java\nscript:alert(1)',
      ' javascript:alert(1)',
      'javascript://localhost/%0aalert(1)',
      'data:text/html,x',
      'vbscript:x',
      'blob:https://evil.example/x',
      'intent://evil.example',
      'evil.example',
      `${home}.evil.example`,
      `${home}@evil.example`,
      `${home}:80@evil.example`,
      `http://evil.example/${home}`,
      `http://evil.example#${home}`,
      `http://evil.example\\@${host}`,
      `http://evil.example?${host}`,
      `http://${host}%2eevil.example`,
      `http://localhost:${Number(port) + 1}/`,
      `https://${host}/`,
      `http://evil.${host}/`,
      `${trusted}.evil.example`,
      'http://localhost\u2024evil.example',
      'http:\u2044\u2044evil.example'
    ]
    const good = ['/', '/welcome?x=1#y', '/a%20b', home, `${home}/welcome`, `${trusted}/welcome`]

    /** Where a browser would end up, for whatever the answer tells it to do. */
    function destinations(answer: Answer): string[] {
      const found = [answer.headers['location'] ?? []].flat()
      if (answer.text.startsWith('{')) {
        const body = answer.json() as { url?: unknown }
        if (typeof body.url === 'string') found.push(body.url)
      }
      const next = refreshOf(answer.text)
      if (next !== undefined) found.push(next)
      const refresh = answer.headers['refresh']
      if (refresh !== undefined) found.push(String(refresh))
      return found
    }

    function isHome(address: string): boolean {
      if (/[\u0000-\u001f\\]/.test(address) || !URL.canParse(address, home)) return false
      return [home, trusted].includes(new URL(address, `${home}/api/auth/x`).origin)
    }

    function staysHome(t: Test, answer: Answer, what: string): void {
      for (const address of destinations(answer)) {
        const toProvider = address.startsWith('https://github.com/login/oauth/authorize?')
        t.ok(isHome(address) || toProvider, `${what} leads to ${address}`)
        if (toProvider) t.ok(isHome(new URL(address).searchParams.get('redirect_uri') ?? ''), what)
      }
      t.ok(answer.status < 500, `${what}: ${answer.status}`)
    }

    let people = 0
    const somebody = () => new Browser(gateway.url, home)
    const query = (name: string, value: string) => `${name}=${encodeURIComponent(value)}`
    // BetterAuth answers a script itself; a person is asked by a page first.
    const byScript = (path: string) => somebody().ask(path, { headers: { 'sec-fetch-mode': 'cors' } })

    await somebody().signUp('ada')

    // BetterAuth counts by address, so everybody who asks is somebody else.
    const questions: Record<string, (value: string) => Promise<Answer>> = {
      'sign-in, callbackURL': (value) => somebody().signIn('ada', undefined, { callbackURL: value }),
      'sign-up, callbackURL': (value) => {
        people++
        const name = `nobody${people}`
        const body = { name, email: `${name}@example.com`, password: 'short', callbackURL: value }
        return somebody().post('/api/auth/sign-up/email', body)
      },
      ...Object.fromEntries(
        ['callbackURL', 'errorCallbackURL', 'newUserCallbackURL'].flatMap((field) => [
          [
            `social, ${field}`,
            (value: string) =>
              somebody().post('/api/auth/sign-in/social', { provider: 'github', callbackURL: '/', [field]: value })
          ],
          [
            `magic link, ${field}`,
            (value: string) =>
              somebody().post('/api/auth/sign-in/magic-link', {
                email: 'ada@example.com',
                callbackURL: '/',
                [field]: value
              })
          ],
          [
            `magic link verification, ${field}`,
            (value: string) => byScript(`/api/auth/magic-link/verify?token=x&${query(field, value)}`)
          ],
          [
            `magic link, asked about first, ${field}`,
            (value: string) => sendForm(somebody(), `/auth/link/magic-link/verify?token=x&${query(field, value)}`, {})
          ]
        ])
      ),
      'reset, redirectTo': (value) =>
        somebody().post('/api/auth/request-password-reset', { email: 'ada@example.com', redirectTo: value }),
      'reset link, callbackURL': (value) => somebody().ask(`/api/auth/reset-password/x?${query('callbackURL', value)}`),
      'verification, callbackURL': (value) => byScript(`/api/auth/verify-email?token=x&${query('callbackURL', value)}`),
      'verification, asked about first, callbackURL': (value) =>
        sendForm(somebody(), `/auth/link/verify-email?token=x&${query('callbackURL', value)}`, {}),
      'a mailed link, callbackURL': (value) =>
        somebody().ask(`/api/auth/verify-email?token=x&${query('callbackURL', value)}`),
      'verification mail, callbackURL': (value) =>
        somebody().post('/api/auth/send-verification-email', { email: 'ada@example.com', callbackURL: value }),
      'deletion, callbackURL': (value) =>
        byScript(`/api/auth/delete-user/callback?token=x&${query('callbackURL', value)}`),
      'provider’s callback, state': (value) =>
        somebody().ask(`/api/auth/callback/github?code=x&${query('state', value)}`),
      'provider’s callback, error': (value) =>
        somebody().ask(`/api/auth/callback/github?${query('error', value)}&state=x`),
      'error page': (value) => somebody().ask(`/api/auth/error?${query('error', value)}&${query('callbackURL', value)}`)
    }

    for (const [name, ask] of Object.entries(questions)) {
      t.test(`${name}: nothing leads away`, async (t) => {
        const statuses: Record<string, number> = {}
        for (const value of evil) {
          const answer = await ask(value)
          staysHome(t, answer, `${name} ${JSON.stringify(value)}`)
          statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
        }
        t.notOk('429' in statuses, JSON.stringify(statuses))
        t.comment(JSON.stringify(statuses))
      })
    }

    t.test('what is mailed leads home', async (t) => {
      for (const link of links) {
        t.ok(isHome(link), link)
        for (const [name, value] of new URL(link).searchParams) {
          if (/callback|redirect/i.test(name)) t.ok(isHome(value), link)
        }
      }
      t.ok(links.length > 0)
    })

    t.test('an address of this or of a trusted origin is followed', async (t) => {
      for (const value of good) {
        const signIn = await somebody().signIn('ada', undefined, { callbackURL: value })
        t.equal(signIn.status, 200, value)
        t.equal((signIn.json() as { url: string }).url, value)
        const { status, headers } = await byScript(`/api/auth/verify-email?token=x&${query('callbackURL', value)}`)
        t.equal(status, 302, value)
        t.ok(String(headers['location']).startsWith(value.split('#')[0] ?? ''), String(headers['location']))
      }
    })
  })
