import t from 'tap'
import { Browser } from '../../support/browser.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { pageLoad, refreshOf, sendForm } from '../../support/pages.ts'
import { until } from '../../support/until.ts'

const mails: string[] = []
const gateway = await startTestGateway(t, {
  policy: {
    auth: {
      emailAndPassword: { enabled: true, requireEmailVerification: true },
      sendVerificationEmail: async ({ url }) => {
        mails.push(url)
      }
    }
  }
})
const ada = new Browser(gateway.url, gateway.publicUrl)
const credentials = { email: 'ada@example.com', password: 'correct horse battery', next: '/private/report?year=2026' }

/** The page that the newest mail leads to, once it was said that the address is to be confirmed. */
async function follow(spoil: (token: string) => string = (token) => token) {
  const mail = new URL(mails.at(-1) ?? '')
  mail.searchParams.set('token', spoil(mail.searchParams.get('token') ?? ''))
  const asked = await ada.ask(mail.pathname + mail.search, { headers: pageLoad })
  const answer = await sendForm(ada, String(asked.headers['location']), {})
  const to = new URL(String(answer.headers['location']), gateway.publicUrl)
  return ada.ask(to.pathname + to.search, { headers: pageLoad })
}

t.test('who has to confirm an address first is told so, and is back where they were in the end', async (t) => {
  const { password: newPassword, ...rest } = credentials
  const signUp = await sendForm(ada, '/auth/sign-up', { ...rest, name: 'Ada', newPassword })
  t.match(signUp.headers['location'], /^\/auth\/sign-in\?notice=confirm-mail&next=/)
  await until(() => mails.length === 1)

  const spoilt = await follow((token) => `x${token}`)
  t.equal(spoilt.status, 200)
  t.match(spoilt.text, /role="alert"[^>]*>This link was used already, or it is too old/)
  t.notMatch(spoilt.text, /address is confirmed/)

  const early = await sendForm(ada, '/auth/sign-in', credentials)
  t.equal(early.status, 403)
  t.match(early.text, /not confirmed yet\. Open the link in the mail that we sent you/)
  await until(() => mails.length === 2)

  const confirmed = await follow()
  t.match(confirmed.text, /role="status">Your address is confirmed/)
  t.match(confirmed.text, /name="next" value="\/private\/report\?year=2026"/)
  const signIn = await sendForm(ada, '/auth/sign-in', credentials)
  t.equal(refreshOf(signIn.text), '/private/report?year=2026')
})

t.test('a sign-up that signs nobody in says nothing of a mail', async (t) => {
  const quiet = await startTestGateway(t, {
    policy: { auth: { emailAndPassword: { enabled: true, autoSignIn: false } } }
  })
  const grace = new Browser(quiet.url, quiet.publicUrl)
  const fields = { name: 'Grace', email: 'grace@example.com', newPassword: 'correct horse battery' }
  const { headers } = await sendForm(grace, '/auth/sign-up', fields)
  t.equal(headers['location'], '/auth/sign-in?notice=signed-up')
  const page = await grace.ask(String(headers['location']), { headers: pageLoad })
  t.match(page.text, /role="status">Your account is there/)
})
