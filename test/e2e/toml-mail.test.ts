import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadPolicy } from '../../src/policy-file.ts'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageLoad, sendForm } from '../support/pages.ts'
import { authority, startSmtp } from '../support/smtp.ts'
import { until } from '../support/until.ts'

/** A gateway whose policy is this TOML. */
async function gatewayOf(t: Test | typeof import('tap').t, toml: string, env: Record<string, string> = {}) {
  const path = join(t.testdir(), 'gatehouse.toml')
  await writeFile(path, toml)
  return startTestGateway(t, { policy: await loadPolicy({ path, named: true }, () => [], { env, cwd: '/' }) })
}

const policy = (port: number) => `
[brand]
name = "House"

[mail]
host = "localhost"
port = ${port}
tls = true
ca_file = "${authority}"
user = "house"
password_env = "SMTP_PASSWORD"
from = "House <accounts@example.com>"

[mail.templates.reset]
subject = "A new password for {app}"
text = """
Hello {name},

{url}
"""

[auth]
plugins = { magic-link = {}, email-otp = { change_email = { enabled = true } }, two-factor = { otp_options = { period = 5 }, skip_verification_on_enable = true } }

[auth.email_verification]
send_on_sign_up = true

[auth.user]
change_email = { enabled = true }
delete_user = { enabled = true }
`

t.test('every mail of a TOML policy is sent by its [mail], with links that work', async (t) => {
  const smtp = await startSmtp(t, { tls: true, user: 'house' })
  const gateway = await gatewayOf(t, policy(smtp.port), { SMTP_PASSWORD: 'open sesame' })
  const somebody = () => new Browser(gateway.url, gateway.publicUrl)
  const nextMail = async (about: RegExp) => {
    await until(() => smtp.mails.some(({ headers }) => headers.some((line) => about.test(line))))
    const found = smtp.mails.find(({ headers }) => headers.some((line) => about.test(line)))
    smtp.mails.length = 0
    return {
      to: found?.to,
      words: found?.words ?? '',
      link: new URL(/http:\/\/\S+/.exec(found?.words ?? '')?.[0] ?? 'http://none')
    }
  }
  const follow = (browser: Browser, { pathname, search }: URL) => browser.ask(pathname + search, { headers: pageLoad })

  const ada = somebody()
  t.equal((await ada.signUp('ada')).status, 200)
  const verification = await nextMail(/^Subject: Confirm your address/)
  t.same(verification.to, ['ada@example.com'])
  t.equal(verification.link.origin, gateway.publicUrl)
  t.equal((await follow(ada, verification.link)).status, 302)
  t.match((await ada.ask('/api/auth/get-session')).json(), { user: { emailVerified: true } })

  const forgotten = await sendForm(somebody(), '/auth/forgot-password', { email: 'ada@example.com' })
  t.equal(forgotten.status, 303)
  const reset = await nextMail(/^Subject: A new password for House/)
  t.match(reset.words, /Hello ada,/)
  t.match((await follow(somebody(), reset.link)).headers['location'], /reset-password\?token=/)

  t.equal((await somebody().post('/api/auth/sign-in/magic-link', { email: 'ada@example.com' })).status, 200)
  const magic = await nextMail(/^Subject: Sign in to House/)
  const signedIn = somebody()
  await signedIn.ask(magic.link.pathname + magic.link.search, {
    headers: { 'sec-fetch-mode': 'cors', origin: gateway.publicUrl }
  })
  t.match((await signedIn.ask('/api/auth/get-session')).json(), { user: { email: 'ada@example.com' } })

  await somebody().post('/api/auth/email-otp/send-verification-otp', { email: 'ada@example.com', type: 'sign-in' })
  const otp = /^\d{6}$/m.exec((await nextMail(/^Subject: Your code for House/)).words)?.[0] ?? ''
  t.equal((await somebody().post('/api/auth/sign-in/email-otp', { email: 'ada@example.com', otp })).status, 200)

  t.equal((await ada.post('/api/auth/change-email', { newEmail: 'ada@example.org' })).status, 200)
  const change = await nextMail(/^Subject: Confirm your new address/)
  t.same(change.to, ['ada@example.com'])
  t.match(change.words, 'ada@example.org')

  t.equal((await ada.post('/api/auth/two-factor/enable', { password: 'correct horse battery' })).status, 200)
  const half = somebody()
  t.match((await half.signIn('ada')).json(), { twoFactorRedirect: true })
  t.equal((await half.post('/api/auth/two-factor/send-otp')).status, 200)
  const second = /^\d{6}$/m.exec((await nextMail(/^Subject: Your code for House/)).words)?.[0] ?? ''
  t.equal((await half.post('/api/auth/two-factor/verify-otp', { code: second })).status, 200)
  t.equal((await half.ask('/api/auth/get-session')).status, 200)

  t.match((await half.post('/api/auth/delete-user', {})).json(), { message: 'Verification email sent' })
  const deletion = await nextMail(/^Subject: Delete your account/)
  t.equal((await follow(half, deletion.link)).status, 302)
  t.not((await somebody().signIn('ada')).status, 200, 'the account is gone')

  t.notMatch(gateway.logged(), /a mail could not be sent/)
  for (const { link } of [verification, reset, magic, deletion])
    t.notMatch(gateway.logged(), link.searchParams.get('token') ?? link.pathname)
})

t.test(
  'a server that answers nothing, or is not there, holds nobody up and tells nobody who has an account',
  async (t) => {
    const mute = createServer(() => {}).listen(0, '127.0.0.1')
    await new Promise((resolve) => mute.once('listening', resolve))
    t.teardown(() => mute.close())
    const address = mute.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    for (const to of [port, 1]) {
      const gateway = await gatewayOf(
        t,
        policy(to)
          .replace('tls = true\n', '')
          .replace(/^(user|password_env|ca_file) .*\n/gm, '')
      )
      const ask = async (path: string, body: object) => {
        const since = performance.now()
        const { status, text } = await new Browser(gateway.url, gateway.publicUrl).post(`/api/auth${path}`, body)
        t.ok(performance.now() - since < 3_000, path)
        return `${status} ${text}`
      }
      t.match(
        await ask('/sign-up/email', { name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' }),
        /^200 /
      )
      for (const [path, more] of [
        ['/request-password-reset', {}],
        ['/send-verification-email', {}],
        ['/sign-in/magic-link', {}],
        ['/email-otp/send-verification-otp', { type: 'sign-in' }]
      ] as const)
        t.equal(
          await ask(path, { email: 'ada@example.com', ...more }),
          await ask(path, { email: 'nobody@example.com', ...more }),
          path
        )
      if (to === 1) {
        await until(() => gateway.logged().split('a mail could not be sent').length > 5)
        t.notMatch(gateway.logged(), /ada@example|nobody@example/)
      }
    }
  }
)

t.test('`mail` in a TypeScript policy does the same', async (t) => {
  const smtp = await startSmtp(t)
  const path = join(t.testdir(), 'policy.mjs')
  await writeFile(
    path,
    `export default {
      mail: { url: 'smtp://127.0.0.1:${smtp.port}', from: 'accounts@example.com' },
      auth: { emailVerification: { sendOnSignUp: true } }
    }`
  )
  const gateway = await startTestGateway(t, { policy: await loadPolicy({ path, named: true }) })
  await new Browser(gateway.url, gateway.publicUrl).signUp('ada')
  await until(() => smtp.mails.length > 0)
  t.same(smtp.mails[0]?.to, ['ada@example.com'])
})

t.test('a sender of the policy’s own comes before the server', async (t) => {
  const smtp = await startSmtp(t)
  const sent: string[] = []
  const gateway = await startTestGateway(t, {
    policy: {
      mail: { url: `smtp://127.0.0.1:${smtp.port}`, from: 'accounts@example.com' },
      auth: { sendResetPassword: async ({ user }) => void sent.push(user.email) }
    }
  })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  await ada.post('/api/auth/request-password-reset', { email: 'ada@example.com' })
  await until(() => sent.length > 0)
  t.same(smtp.mails, [])
})
