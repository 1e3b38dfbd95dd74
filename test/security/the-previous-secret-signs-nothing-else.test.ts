import { multiSession } from 'better-auth/plugins/multi-session'
import { twoFactor } from 'better-auth/plugins/two-factor'
import t from 'tap'
import { WebSocketServer } from 'ws'
import { createCookieSigner } from '../../auth/signed-cookie.ts'
import { Browser } from '../support/browser.ts'
import { prefixOn } from '../support/cookie-names.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { dial } from '../support/websocket.ts'

// While BETTER_AUTH_SECRET_PREVIOUS was set, whoever knew the previous secret could have any text signed by the current one,
// and use it for years after the previous one was gone: BetterAuth signs all its cookies, and bearer tokens, alike.

const secret = 'the current secret of this test, long enough'
const previous = 'the previous secret of this test, long enough'
const [current, outdated] = [createCookieSigner(secret), createCookieSigner(previous)]
const auth = { plugins: [multiSession(), twoFactor()] }

for (const publicUrl of ['http://localhost:8080', 'https://localhost:8443']) {
  t.test(`what hangs on no living session expires with the previous secret on ${publicUrl}`, async (t) => {
    const upstream = await startEchoUpstream(t)
    const sockets = new WebSocketServer({ server: upstream.server })
    t.teardown(() => sockets.close())
    const gateway = await startTestGateway(t, {
      upstreamUrl: upstream.url,
      env: { BETTER_AUTH_URL: publicUrl, BETTER_AUTH_SECRET: secret, BETTER_AUTH_SECRET_PREVIOUS: previous },
      policy: { routes: [{ path: '/optional/*', access: 'optional' }], auth }
    })
    const prefix = prefixOn(publicUrl)
    const name = (rest: string) => prefix + rest
    const tokenOf = (browser: Browser) => current.verify(browser.cookies.get(name('session_token')) ?? '')?.token ?? ''
    const somebody = async (email: string) => {
      const browser = new Browser(gateway.url, publicUrl)
      t.equal((await browser.signUp(email)).status, 200)
      return { browser, token: tokenOf(browser) }
    }
    const [ada, bob, dead] = [await somebody('ada'), await somebody('bob'), await somebody('dead')]
    await dead.browser.signOut()

    /** What these cookies, which the previous secret signs, are answered with by everything that looks for a session. */
    async function signedBy(texts: Record<string, string>, more: Record<string, string> = {}): Promise<string[]> {
      const signed = Object.entries(texts).map(([rest, text]): [string, string] => [name(rest), outdated.sign(text)])
      const cookies = () => new Map([...Object.entries(more), ...signed])
      const asking = () => new Browser(gateway.url, publicUrl, cookies())
      const answers = [
        await asking().ask('/api/auth/get-session'),
        await asking().ask('/api/auth/ok'),
        await asking().ask('/api/auth/no-such-path'),
        await asking().ask('/api/auth/multi-session/list-device-sessions'),
        await asking().post('/api/auth/two-factor/verify-totp', { code: '123456' }),
        await asking().post('/api/auth/sign-in/email', { email: 'nobody@example.com', password: 'not the right one' }),
        await asking().ask('/optional/x'),
        await asking().ask('/me'),
        await asking().ask('/auth/account'),
        await asking().ask('/auth/sign-in')
      ]
      const shaken = await dial(t, `${gateway.url.replace('http', 'ws')}/optional/chat`, {
        headers: { host: new URL(publicUrl).host, cookie: asking().cookieHeader, origin: publicUrl }
      })
      return [...answers, shaken.answer].flatMap(textsSignedAnew)
    }

    await t.test('a session that is alive is signed anew', async (t) => {
      t.same([...new Set(await signedBy({ session_token: ada.token }))], [ada.token])
      const multi = `session_token_multi-${bob.token.toLowerCase()}`
      const both = await signedBy({ session_token: ada.token, [multi]: bob.token })
      t.same([...new Set(both)].toSorted(), [ada.token, bob.token].toSorted(), "another account's beside it, too")
    })

    const foreign = `a-text-that-somebody-chose-${dead.token}`
    const attacks: Record<string, Record<string, string>> = {
      'a session that has ended': { session_token: dead.token },
      'any other text': { session_token: foreign },
      'a text under the name of another account': {
        [`session_token_multi-${foreign.toLowerCase()}`]: foreign,
        session_token_multi: foreign
      },
      'a session that has ended, as another account': {
        [`session_token_multi-${dead.token.toLowerCase()}`]: dead.token
      },
      'a text under the name of a living account': { [`session_token_multi-${bob.token.toLowerCase()}`]: foreign },
      'a living session under the name of another': { [`session_token_multi-${dead.token.toLowerCase()}`]: bob.token },
      'a text as the mark': { dont_remember: foreign },
      'the session of an administrator who was somebody else': { admin_session: `${dead.token}:` },
      'a text behind the session of an administrator': { admin_session: `${bob.token}:${foreign}` },
      'cookies of plugins': { two_factor: foreign, trust_device: foreign, oauth_state: foreign, state: foreign }
    }
    for (const [what, texts] of Object.entries(attacks)) {
      await t.test(`not ${what}`, async (t) => {
        t.same(await signedBy(texts), [], 'alone')
        const signedIn = { [name('session_token')]: current.sign(ada.token) }
        t.same(withoutOwn(await signedBy(texts, signedIn), ada.token), [], 'beside a living session')
        const { session_token: none, ...others } = texts
        const beside = await signedBy({ ...others, session_token: ada.token })
        t.same(withoutOwn(beside, ada.token), [], 'beside one that the previous secret signed')
      })
    }

    await t.test('the mark of a living session is', async (t) => {
      const marked = await signedBy({ session_token: ada.token, dont_remember: 'true' })
      t.same([...new Set(marked)].toSorted(), [ada.token, 'true'].toSorted())
      t.same(await signedBy({ dont_remember: 'true' }), [], 'without a session it is not')
      t.same(await signedBy({ session_token: dead.token, dont_remember: 'true' }), [])
    })
  })
}

/** The texts that an answer carries and that the current secret signs, whatever the cookies are called. */
function textsSignedAnew({ headers }: { readonly headers: Record<string, unknown> }): string[] {
  return [headers['set-cookie'] ?? []].flat().flatMap((line) => {
    const [pair = ''] = String(line).split(';', 1)
    const verified = current.verify(pair.slice(pair.indexOf('=') + 1))
    return verified === null || verified.isOutdated ? [] : [verified.token]
  })
}

// The living session's own cookies, which BetterAuth may send by itself.
function withoutOwn(texts: readonly string[], living: string): string[] {
  return texts.filter((text) => text !== living)
}
