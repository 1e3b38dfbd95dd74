import { magicLink, twoFactor } from 'better-auth/plugins'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { totp } from '../support/totp.ts'
import { until } from '../support/until.ts'

// BetterAuth wrote a return address into `Location` when all was done: one that fits no header was a 500 after the session
// had begun, for a user with a second factor a whole session that never saw it.

const password = 'correct horse battery'
const mails: string[] = []
const send = async ({ url }: { url: string }) => void mails.push(url)
const gateway = await startTestGateway(t, {
  policy: {
    auth: {
      plugins: [twoFactor(), magicLink({ sendMagicLink: send })],
      socialProviders: { github: { clientId: 'id', clientSecret: 'secret' } },
      sendVerificationEmail: send,
      user: { deleteUser: { enabled: true, sendDeleteAccountVerification: send } }
    }
  }
})
const home = gateway.publicUrl
const somebody = () => new Browser(gateway.url, home)
const byScript = { headers: { 'sec-fetch-mode': 'cors' } }

/** Written with its letters, and as the header has it. */
const spelled: readonly (readonly [address: string, location: string])[] = [
  ['/€', '/%E2%82%AC'],
  ['/При?вет=1#ы', '/%D0%9F%D1%80%D0%B8?%D0%B2%D0%B5%D1%82=1#%D1%8B'],
  ['/你好', '/%E4%BD%A0%E5%A5%BD'],
  ['/\u{1f3e1}/a%20b', '/%F0%9F%8F%A1/a%20b'],
  ['/ü', '/%C3%BC'],
  [`${home}/€`, `${home}/%E2%82%AC`]
]
const unfit = [
  `${home}/a\r\nSet-Cookie: x=y`,
  `${home}/a\nb`,
  `${home}/a\rb`,
  `${home}/a\tb`,
  `${home}/\u007f`,
  `\u0001${home}/`,
  `https://${'ü'.repeat(400)}.example/`
]

/** The link of a mail that this makes BetterAuth send, with another return address. */
async function mailed(ask: () => Promise<unknown>, callbackURL: string): Promise<string> {
  mails.length = 0
  await ask()
  await until(() => mails.length > 0)
  const url = new URL(mails[0] ?? '')
  url.searchParams.set('callbackURL', callbackURL)
  return url.pathname + url.search
}

async function sessionsOf(browser: Browser): Promise<number> {
  return ((await browser.ask('/api/auth/list-sessions')).json() as unknown[]).length
}

t.test('who signs in is led there in ASCII, or not signed in', async (t) => {
  const ada = somebody()
  await ada.signUp('ada')
  for (const [address, location] of spelled) {
    const browser = somebody()
    const answer = await browser.signIn('ada', password, { callbackURL: address })
    t.equal(answer.status, 200, address)
    t.match(answer.json(), { redirect: true, url: location })
    t.equal(answer.headers['location'], location)
    await browser.signOut()
  }
  const form = await somebody().ask('/api/auth/sign-in/email', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ email: 'ada@example.com', password, callbackURL: '/€' }).toString()
  })
  t.equal(form.headers['location'], '/%E2%82%AC', 'a form')
  const before = await sessionsOf(ada)
  for (const address of unfit) {
    const { status, text } = await somebody().signIn('ada', password, { callbackURL: address })
    t.equal(status === 403 || /REQUEST_INVALID/.test(text), true, `${JSON.stringify(address)}: ${status}`)
  }
  t.equal(await sessionsOf(ada), before, 'no session was left')
})

t.test('a user with a second factor has no session before it', async (t) => {
  const bell = somebody()
  await bell.signUp('bell')
  const made = await bell.post('/api/auth/two-factor/enable', { password })
  const { totpURI } = made.json() as { totpURI: string }
  await bell.post('/api/auth/two-factor/verify-totp', { code: totp(totpURI) })
  const before = await sessionsOf(bell)
  for (const address of [...spelled.map(([address]) => address), ...unfit]) {
    const answer = await somebody().signIn('bell', password, { callbackURL: address })
    t.ok(answer.status < 500, `${JSON.stringify(address)}: ${answer.status}`)
    if (answer.status === 200) t.match(answer.json(), { twoFactorRedirect: true })
  }
  t.equal(await sessionsOf(bell), before)
})

t.test('every other return address of a body', async (t) => {
  for (const field of ['callbackURL', 'errorCallbackURL', 'newUserCallbackURL']) {
    const social = (value: string) =>
      somebody().post('/api/auth/sign-in/social', { provider: 'github', callbackURL: '/', [field]: value })
    t.equal((await social('/€')).status, 200, field)
    t.match(await social(`${home}/a\r\nb`), { status: 400, text: /REQUEST_INVALID/ }, field)
  }
  const reset = (redirectTo: string) =>
    somebody().post('/api/auth/request-password-reset', { email: 'nobody@example.com', redirectTo })
  t.match(await reset(`${home}/a\r\nb`), { status: 400 })
})

t.test('mailed links lead there in ASCII, or are not used up', async (t) => {
  let people = 0
  for (const [address, location] of spelled) {
    people++
    const browser = somebody()
    const name = `cara${people}`
    const email = `${name}@example.com`
    await browser.signUp(name)

    const verify = () => browser.post('/api/auth/send-verification-email', { email })
    const answer = await somebody().ask(await mailed(verify, address), byScript)
    t.match(answer, { status: 302, headers: { location } }, `verify-email ${address}`)

    const magic = () => somebody().post('/api/auth/sign-in/magic-link', { email })
    const link = await mailed(magic, address)
    for (const more of [`&errorCallbackURL=${encodeURIComponent(`${home}/a\r\nb`)}`, '&newUserCallbackURL=/%0a'])
      t.equal((await somebody().ask(link + more, byScript)).status, 400, more)
    t.match(await somebody().ask(link, byScript), { status: 302, headers: { location } }, `magic-link ${address}`)
    const failed = `/api/auth/magic-link/verify?token=x&errorCallbackURL=${encodeURIComponent(address)}`
    t.equal((await somebody().ask(failed, byScript)).status, 302, `magic-link's failure ${address}`)

    const leave = () => browser.post('/api/auth/delete-user', { password })
    const unfitLink = await mailed(leave, `${home}/a\r\nb`)
    t.match(await browser.ask(unfitLink, byScript), { status: 400, text: /REQUEST_INVALID/ })
    t.equal((await browser.ask('/api/auth/get-session')).text === 'null', false, 'nobody was deleted')
    const gone = await browser.ask(await mailed(leave, address), byScript)
    t.match(gone, { status: 302, headers: { location } }, `delete-user ${address}`)
  }
})
