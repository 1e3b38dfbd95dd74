import { twoFactor } from 'better-auth/plugins'
import t from 'tap'
import { Browser } from '../../support/browser.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { pageLoad, refreshOf, sendForm } from '../../support/pages.ts'
import { totp } from '../../support/totp.ts'
import { until } from '../../support/until.ts'

const password = 'correct horse battery'
const codes: string[] = []
const sendOTP = async ({ otp }: { otp: string }) => void codes.push(otp)
const gateway = await startTestGateway(t, { policy: { auth: { plugins: [twoFactor({ otpOptions: { sendOTP } })] } } })
const somebody = () => new Browser(gateway.url, gateway.publicUrl)

/** Somebody with a second factor. */
async function withFactor(name: string) {
  const browser = somebody()
  await browser.signUp(name)
  const made = await browser.post('/api/auth/two-factor/enable', { password })
  const { totpURI, backupCodes } = made.json() as { totpURI: string; backupCodes: string[] }
  await browser.post('/api/auth/two-factor/verify-totp', { code: totp(totpURI) })
  return { totpURI, backupCodes, email: `${name}@example.com` }
}

/** Enters the password in a browser of its own. */
async function begin(email: string, more: Record<string, string> = {}): Promise<Browser> {
  const browser = somebody()
  const first = await sendForm(browser, '/auth/sign-in', { email, password, next: '/private?a=1', ...more })
  t.equal(first.status, 303)
  t.equal(first.headers['location'], '/auth/second-factor?next=%2Fprivate%3Fa%3D1')
  t.equal((await browser.ask('/auth/account', { headers: pageLoad })).status, 303, 'nobody is signed in yet')
  t.equal((await browser.ask('/auth/second-factor', { headers: pageLoad })).status, 200)
  return browser
}

t.test('the code of the app, a backup code and a mailed code sign in, and lead on', async (t) => {
  const { email, totpURI, backupCodes } = await withFactor('ada')
  for (const code of [totp(totpURI), backupCodes[0] ?? '']) {
    const browser = await begin(email)
    const done = await sendForm(browser, '/auth/second-factor', { code: ` ${code} `, next: '/private?a=1' })
    t.equal(refreshOf(done.text), '/private?a=1', code)
    t.equal((await browser.ask('/auth/account', { headers: pageLoad })).status, 200)
  }
  const used = await begin(email)
  const refused = await sendForm(used, '/auth/second-factor', { code: backupCodes[0] ?? '' })
  t.equal(refused.status, 401, 'a backup code works once')
  t.match(refused.text, /This code is not right/)

  const browser = await begin(email)
  const sent = await sendForm(browser, '/auth/second-factor/mail', { next: '/private?a=1' })
  t.equal(sent.headers['location'], '/auth/second-factor?notice=code-sent&next=%2Fprivate%3Fa%3D1')
  await until(() => codes.length > 0)
  const page = await browser.ask(String(sent.headers['location']), { headers: pageLoad })
  t.match(page.text, /A mail with a code is on its way/)
  t.match(page.text, /name="mailed"/)
  const done = await sendForm(browser, '/auth/second-factor', { code: codes[0] ?? '', mailed: 'on', next: '/private' })
  t.equal(refreshOf(done.text), '/private')
})

t.test('a trusted device is not asked again', async (t) => {
  const { email, totpURI } = await withFactor('bell')
  const browser = await begin(email)
  await sendForm(browser, '/auth/second-factor', { code: totp(totpURI), trustDevice: 'on' })
  await sendForm(browser, '/auth/sign-out', {})
  const again = await sendForm(browser, '/auth/sign-in', { email, password })
  t.equal(again.headers['location'], '/auth/account')
})

t.test('without a password before it, a code is worth nothing', async (t) => {
  const { totpURI } = await withFactor('cara')
  const refused = await sendForm(somebody(), '/auth/second-factor', { code: totp(totpURI) })
  t.equal(refused.status, 401)
  t.match(refused.text, /That took too long\. Start again/)
})

t.test('without the plugin there is no such page', async (t) => {
  const gateway = await startTestGateway(t)
  const browser = new Browser(gateway.url, gateway.publicUrl)
  t.equal((await browser.ask('/auth/second-factor', { headers: pageLoad })).status, 404)
})
