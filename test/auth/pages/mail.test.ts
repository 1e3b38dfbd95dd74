import t from 'tap'
import { Browser } from '../../support/browser.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { pageLoad, sendForm } from '../../support/pages.ts'
import { until } from '../../support/until.ts'

const mails: { to: string; url: string }[] = []
const send = async ({ user, url }: { user: { email: string }; url: string }) => {
  mails.push({ to: user.email, url })
}
const gateway = await startTestGateway(t, {
  policy: { auth: { sendResetPassword: send, sendVerificationEmail: send } }
})
const somebody = () => new Browser(gateway.url, gateway.publicUrl)

/** Opens a mailed link, and what it leads to. */
async function follow(browser: Browser, url: string) {
  const { pathname, search } = new URL(url)
  const answer = await browser.ask(pathname + search, { headers: pageLoad })
  const to = new URL(String(answer.headers['location']), gateway.publicUrl)
  return { to, page: await browser.ask(to.pathname + to.search, { headers: pageLoad }) }
}

t.test('a forgotten password is replaced through a mailed link, once', async (t) => {
  const ada = somebody()
  await ada.signUp('ada')
  const known = await sendForm(somebody(), '/auth/forgot-password', { email: 'ada@example.com' })
  const unknown = await sendForm(somebody(), '/auth/forgot-password', { email: 'nobody@example.com' })
  t.equal(known.status, 303)
  t.equal(known.headers['location'], unknown.headers['location'], 'nobody hears who has an account')
  await until(() => mails.length > 0)
  const url = mails.at(-1)?.url ?? ''

  const stranger = somebody()
  const { to, page } = await follow(stranger, url)
  t.equal(to.pathname, '/auth/reset-password')
  t.equal(page.status, 200)
  const token = to.searchParams.get('token') ?? ''
  const short = await sendForm(stranger, '/auth/reset-password', { token, newPassword: 'short' })
  t.equal(short.status, 400)
  t.match(short.text, /too short/)
  const reset = await sendForm(stranger, '/auth/reset-password', { token, newPassword: 'another fine passphrase' })
  t.equal(reset.headers['location'], '/auth/sign-in?notice=reset')
  t.equal((await ada.ask('/auth/account', { headers: pageLoad })).status, 303, 'everybody is signed out')
  t.equal((await somebody().signIn('ada', 'another fine passphrase')).status, 200)

  const again = await sendForm(somebody(), '/auth/reset-password', { token, newPassword: 'a third fine passphrase' })
  t.equal(again.status, 400)
  t.match(again.text, /used already, or it is too old/)
  const stale = await follow(somebody(), url)
  t.equal(stale.page.status, 400)
  t.match(stale.page.text, /used already, or it is too old/)
  t.notMatch(gateway.logged(), token, 'the token is in no log')
})

t.test('an address is confirmed from the account page', async (t) => {
  const grace = somebody()
  await grace.signUp('grace')
  const before = await grace.ask('/auth/account', { headers: pageLoad })
  t.match(before.text, /not confirmed yet/)
  mails.length = 0
  const sent = await sendForm(grace, '/auth/account/verify-email', {})
  t.equal(sent.headers['location'], '/auth/account?notice=mail-sent')
  await until(() => mails.length > 0)
  t.equal(mails[0]?.to, 'grace@example.com')
  const { page } = await follow(grace, mails[0]?.url ?? '')
  t.equal(page.headers['location'], '/auth/account')
  const after = await grace.ask('/auth/account', { headers: pageLoad })
  t.match(after.text, /confirmed<\/span>/)
  t.notMatch(after.text, /not confirmed/)

  const spoilt = await follow(grace, (mails[0]?.url ?? '').replace('token=', 'token=x'))
  const told = await grace.ask(String(spoilt.page.headers['location']), { headers: pageLoad })
  t.match(told.text, /role="alert"[^>]*>This link was used already, or it is too old/)
})
