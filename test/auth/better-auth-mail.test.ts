import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'

interface Mail {
  to: string
  url: string
}

function mailbox() {
  const mails: Mail[] = []
  const send = async ({ user, url }: { user: { email: string }; url: string }) => {
    mails.push({ to: user.email, url })
  }
  return { mails, send }
}

t.test('a password reset by mail lets the user in with the new password and ends every session', async (t) => {
  const { mails, send } = mailbox()
  const target = await startAuthApp(t, { extension: { sendResetPassword: send } })
  const laptop = new Device(target)
  const phone = new Device(target)
  await laptop.signUp('ada@example.org')
  await phone.client.signIn.email({ email: 'ada@example.org', password: 'correct horse' })
  const tokens = (await laptop.client.listSessions()).data?.map((session) => session.token) ?? []
  t.equal(tokens.length, 2)

  const stranger = new Device(target)
  const asked = await stranger.client.requestPasswordReset({ email: 'ada@example.org', redirectTo: '/new-password' })
  t.equal(asked.error, null)
  await Promise.all(target.background)
  t.equal(mails.length, 1)
  t.equal(mails[0]?.to, 'ada@example.org')
  t.ok(mails[0]?.url.startsWith(`${target.publicUrl}/api/auth/reset-password/`), 'the link is of the public origin')

  const link = await stranger.fetch(new URL(mails[0]?.url ?? ''))
  t.equal(link.status, 302)
  const landed = new URL(link.headers.get('location') ?? '', target.publicUrl)
  t.equal(landed.pathname, '/new-password')
  const token = landed.searchParams.get('token') ?? ''

  const reset = await stranger.client.resetPassword({ newPassword: 'battery staple', token })
  t.equal(reset.error, null)
  for (const ended of tokens) t.ok(target.sessionsChanged.includes(ended), 'the gateway hears of it')
  t.equal((await laptop.client.getSession()).data, null)
  t.equal((await phone.client.getSession()).data, null)
  const again = await stranger.client.resetPassword({ newPassword: 'a third one', token })
  t.equal(again.error?.code, 'INVALID_TOKEN', 'the link works once')

  t.equal((await phone.client.signIn.email({ email: 'ada@example.org', password: 'correct horse' })).error?.status, 401)
  t.equal((await phone.client.signIn.email({ email: 'ada@example.org', password: 'battery staple' })).error, null)
  t.notMatch(target.logged(), token)
})

t.test('asking to reset the password of nobody answers the same and sends nothing', async (t) => {
  const { mails, send } = mailbox()
  const target = await startAuthApp(t, { extension: { emailAndPassword: { sendResetPassword: send } } })
  await new Device(target).signUp('ada@example.org')
  const known = await new Device(target).post('/request-password-reset', { email: 'ada@example.org' })
  const unknown = await new Device(target).post('/request-password-reset', { email: 'nobody@example.org' })
  t.equal(known.status, unknown.status)
  t.equal(await known.text(), await unknown.text())
  await Promise.all(target.background)
  t.same(
    mails.map((mail) => mail.to),
    ['ada@example.org']
  )
})

t.test('an email address is verified by the link that was mailed, and the gateway hears of it', async (t) => {
  const { mails, send } = mailbox()
  const target = await startAuthApp(t, {
    extension: { sendVerificationEmail: send, emailVerification: { sendOnSignUp: true } }
  })
  const device = new Device(target)
  const userId = await device.signUp('ada@example.org')
  t.equal((await device.client.getSession()).data?.user.emailVerified, false)
  t.equal(mails.length, 1)
  const heard = target.usersChanged.length
  const link = await device.fetch(new URL(mails[0]?.url ?? ''))
  t.equal(link.status, 302)
  t.same(target.usersChanged.slice(heard), [userId])
  t.equal((await device.client.getSession()).data?.user.emailVerified, true)
})

t.test('a mail that is slow or fails holds nobody up, and is told of without its link', async (t) => {
  let link = ''
  let fail = (_: Error) => {}
  const target = await startAuthApp(t, {
    extension: {
      emailVerification: { sendOnSignUp: true },
      sendVerificationEmail: ({ url }) => {
        link = url
        return new Promise((_, reject) => {
          fail = reject
        })
      }
    }
  })
  const device = new Device(target)
  await device.signUp('ada@example.org')
  t.ok((await device.client.getSession()).data, 'signed up while the mail was on its way')
  t.equal(target.background.length, 1)
  fail(new Error(`the mail server refused ${link}`))
  await target.background[0]
  t.match(target.logged(), /Failed to run background task/)
  t.notOk(target.logged().includes(new URL(link).searchParams.get('token') ?? link))
})
