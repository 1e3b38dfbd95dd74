import type { BetterAuthPlugin } from 'better-auth'
import { emailOTP } from 'better-auth/plugins/email-otp'
import { magicLink } from 'better-auth/plugins/magic-link'
import { organization } from 'better-auth/plugins/organization'
import { twoFactor } from 'better-auth/plugins/two-factor'
import t from 'tap'
import { withSenders } from '../../auth/mail/mail-senders.ts'
import type { AuthExtension } from '../../auth/policy-auth-options.ts'
import { type Letter, withDevMail } from '../../src/dev/dev-mail.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'

/** As a policy in TOML, or in JavaScript, may leave it: without what the types ask for. */
function incomplete<T>(options: object): T {
  return options as T
}

t.test('a policy with senders of its own keeps them', async (t) => {
  const send = async () => {}
  const auth: AuthExtension = {
    sendResetPassword: send,
    emailVerification: { sendVerificationEmail: send },
    plugins: [
      magicLink({ sendMagicLink: send }),
      emailOTP({ sendVerificationOTP: send }),
      twoFactor({ otpOptions: { sendOTP: send } }),
      organization({ sendInvitationEmail: send })
    ]
  }
  const { auth: extended, unsent } = await withDevMail({ auth }, () => t.fail('a mail went astray'))
  t.same(unsent, [])
  t.same(
    extended.plugins?.map((plugin, at) => plugin === auth.plugins?.[at]),
    [true, true, true, true]
  )
  t.equal((await withDevMail({ auth: {} }, () => {})).auth.plugins, undefined, 'no plugins where there were none')
  const flows = await withDevMail(
    { auth: { plugins: [twoFactor()], user: { changeEmail: { enabled: false } } } },
    () => {}
  )
  t.same(flows.unsent, ['password resets', 'verifications of addresses'], 'and what is off stays off')
  const codes = incomplete<BetterAuthPlugin>(emailOTP(incomplete({ overrideDefaultEmailVerification: true })))
  t.same((await withDevMail({ auth: { plugins: [codes] } }, () => {})).unsent, ['password resets', 'codes'])
  const mail = { url: 'smtp://127.0.0.1:1', from: 'us@example.com' }
  const sent = await withDevMail({ auth: {}, mail }, () => t.fail('a mail went astray'))
  t.same([sent.unsent, sent.deliver], [[], undefined], 'all go by SMTP')
})

t.test('every mail without a sender is delivered, with what it is for', async (t) => {
  const letters: Letter[] = []
  const given: AuthExtension = {
    emailVerification: { sendOnSignUp: true },
    user: { changeEmail: { enabled: true }, deleteUser: { enabled: true } },
    plugins: [
      magicLink(incomplete({})),
      emailOTP(incomplete({ otpLength: 8 })),
      twoFactor({ otpOptions: {} }),
      organization()
    ]
  }
  const { auth, deliver, unsent } = await withDevMail({ auth: given }, (letter) => letters.push(letter))
  t.same(unsent, [
    ...['password resets', 'verifications of addresses', 'changes of addresses', 'deletions of accounts'],
    ...['links to sign in', 'codes', 'codes for a second factor', 'invitations to organizations']
  ])
  const target = await startAuthApp(t, { extension: deliver === undefined ? auth : withSenders(auth, deliver) })
  const device = new Device(target)
  const latest = async (work: () => Promise<Response>) => {
    const before = letters.length
    const { status } = await work()
    if (status >= 300) throw new Error(`answered ${status}`)
    await Promise.all(target.background)
    t.equal(letters.length, before + 1)
    return letters.at(-1)
  }
  const to = 'ada@example.org'
  await device.signUp(to)
  await Promise.all(target.background)
  const link = (path: string) => new RegExp(`^${target.publicUrl}/api/auth/${path}`)
  t.match(letters, [{ to, subject: 'Confirm the address', url: link('verify-email\\?token=') }])
  await device.fetch(new URL(letters[0]?.url ?? ''))
  t.match(await latest(() => device.post('/request-password-reset', { email: to })), {
    ...{ to, subject: 'Reset the password', url: link('reset-password/') }
  })
  t.match(await latest(() => device.post('/change-email', { newEmail: 'new@example.org' })), {
    ...{ to, subject: 'Change the address', url: link('verify-email\\?token=') }
  })
  t.match(await latest(() => device.post('/sign-in/magic-link', { email: to })), {
    ...{ to, subject: 'Sign in', url: link('magic-link/verify\\?token=') }
  })
  t.match(await latest(() => device.post('/email-otp/send-verification-otp', { email: to, type: 'sign-in' })), {
    ...{ to, subject: 'A code', code: /^\d{8}$/ }
  })
  t.match(await latest(() => device.post('/delete-user', { password: 'correct horse' })), {
    ...{ to, subject: 'Delete the account', url: link('delete-user/callback\\?token=') }
  })
  const founded = await device.post('/organization/create', { name: 'Lamps', slug: 'lamps' })
  const { id: organizationId } = JSON.parse(await founded.text())
  const invitation = { email: 'bob@example.org', role: 'member', organizationId }
  t.match(await latest(() => device.post('/organization/invite-member', invitation)), {
    ...{ to: 'bob@example.org', subject: 'An invitation to Lamps', code: String }
  })
  await device.post('/two-factor/enable', { password: 'correct horse' })
  t.match(await latest(() => device.post('/two-factor/send-otp', {})), {
    to,
    subject: 'The second factor',
    code: /^\d{6}$/
  })
})
