import { emailOTP, phoneNumber, twoFactor } from 'better-auth/plugins'
import t, { type Test } from 'tap'
import type { AuthExtension } from '../../auth/policy-auth-options.ts'
import { type AuthApp, Device, startAuthApp } from '../support/auth-app.ts'
import { eachDatabase, type TestDatabase } from '../support/databases.ts'

// A second link to a new password was good after the first had been used, and one that was mailed to an address after it was
// not the account's any more. A link to another address was good after a new password, which is how somebody who had got
// into an account came back.

const password = 'correct horse battery'
const renewed = 'another fine passphrase'

interface Mail {
  readonly to: string
  readonly path: string
  readonly token: string
}

async function start(t: Test, { options, publicUrl }: TestDatabase, verification: AuthExtension['verification']) {
  const mails: Mail[] = []
  const codes: string[] = []
  const send = (to: string, url: string, token: string) => {
    const { pathname, search } = new URL(url)
    mails.push({ to, path: pathname.replace('/api/auth', '') + search, token })
  }
  const target = await startAuthApp(t, {
    publicUrl,
    database: options,
    extension: {
      verification,
      sendResetPassword: async ({ user, url, token }) => send(user.email, url, token),
      sendVerificationEmail: async ({ user, url, token }) => send(user.email, url, token),
      user: {
        changeEmail: { enabled: true },
        deleteUser: {
          enabled: true,
          sendDeleteAccountVerification: async ({ user, url, token }) => send(user.email, url, token)
        }
      },
      plugins: [
        twoFactor({ skipVerificationOnEnable: true }),
        emailOTP({ changeEmail: { enabled: true }, sendVerificationOTP: async ({ otp }) => void codes.push(otp) }),
        phoneNumber({
          sendOTP: async ({ code }) => void codes.push(code),
          sendPasswordResetOTP: async ({ code }) => void codes.push(code)
        })
      ]
    }
  })
  return { target, mails, codes }
}

type World = Awaited<ReturnType<typeof start>>

/** What the newest mail or code holds that this makes BetterAuth send. */
async function newest<M>(
  { target }: { readonly target: AuthApp },
  sent: M[],
  ask: () => Promise<Response>
): Promise<M> {
  sent.length = 0
  const answer = await ask()
  if (answer.status !== 200) throw new Error(`answered ${answer.status}`)
  await Promise.all(target.background)
  const [mail] = sent
  if (mail === undefined) throw new Error('nothing was sent')
  return mail
}

let people = 0

async function somebody(world: World) {
  people++
  const email = `p${people}@example.org`
  const device = new Device(world.target)
  const id = await device.signUp(email, password)
  await world.target.database.db.execute(
    `update "user" set email_verified = true, phone_number = '+4912345${people}', phone_number_verified = true where id = '${id}'`
  )
  return { id, email, phone: `+4912345${people}`, device }
}

await eachDatabase(t, async (t, database) => {
  // Hashed, the rows in the database do not say what they are for.
  const verification = database.name === 'pglite' ? {} : { storeIdentifier: 'hashed' as const }
  await promises(t, await start(t, database, verification))
})

async function promises(t: Test, world: World): Promise<void> {
  const { target, mails, codes } = world
  const stranger = () => new Device(target)
  const askForReset = (email: string) =>
    newest(world, mails, () => stranger().post('/request-password-reset', { email }))
  const reset = (token: string, newPassword = renewed) => stranger().post('/reset-password', { token, newPassword })
  const signsIn = async (email: string, given: string) =>
    (await stranger().post('/sign-in/email', { email, password: given })).status === 200

  await t.test('of several links to a new password one is good, and once', async (t) => {
    const { email } = await somebody(world)
    const { email: other } = await somebody(world)
    const links = [await askForReset(email), await askForReset(email), await askForReset(email)]
    const others = await askForReset(other)
    t.equal((await reset(links[1]?.token ?? '')).status, 200)
    for (const { token } of links) t.equal((await reset(token, 'a third passphrase')).status, 400)
    t.ok(await signsIn(email, renewed))
    t.equal((await reset(others.token)).status, 200, "another user's is good")
    t.equal((await reset((await askForReset(email)).token)).status, 200, 'and so is one that is asked for later')
  })

  const changes: Record<string, (user: Awaited<ReturnType<typeof somebody>>) => Promise<Response>> = {
    'a reset': async ({ email }) => reset((await askForReset(email)).token),
    'a reset by a code': async ({ email }) => {
      const otp = await newest(world, codes, () => stranger().post('/email-otp/request-password-reset', { email }))
      return stranger().post('/email-otp/reset-password', { email, otp, password: renewed })
    },
    'a change of the password': async ({ device }) =>
      device.post('/change-password', { currentPassword: password, newPassword: renewed })
  }
  for (const [name, change] of Object.entries(changes)) {
    await t.test(`after ${name} nothing that was sent before is good`, async (t) => {
      const user = await somebody(world)
      const { email, phone, device } = user
      const link = await askForReset(email)
      const toAnother = await newest(world, mails, () => device.post('/change-email', { newEmail: `x-${email}` }))
      const deletion = await newest(world, mails, () => device.post('/delete-user', { password }))
      const texted = await newest(world, codes, () =>
        stranger().post('/phone-number/request-password-reset', { phoneNumber: phone })
      )
      // A mailed code takes the place of an earlier one.
      const mailedCode =
        name === 'a reset by a code'
          ? undefined
          : await newest(world, codes, () => stranger().post('/email-otp/request-password-reset', { email }))
      t.equal((await change(user)).status, 200)

      t.equal((await reset(link.token, 'a third passphrase')).status, 400)
      t.equal((await stranger().fetch(toAnother.path.replace(/&callbackURL=[^&]*/, ''))).status, 401)
      const onward = await stranger().fetch(toAnother.path)
      t.match(onward.headers.get('location'), /error=INVALID_TOKEN/)
      const again = stranger()
      t.equal((await again.post('/sign-in/email', { email, password: renewed })).status, 200)
      t.equal((await again.fetch(toAnother.path)).headers.get('location')?.includes('INVALID_TOKEN'), true)
      t.equal((await again.fetch(deletion.path)).status, 404)
      const byPhone = { phoneNumber: phone, otp: texted, newPassword: 'a third passphrase' }
      t.equal((await stranger().post('/phone-number/reset-password', byPhone)).status, 400)
      if (mailedCode !== undefined) {
        const byCode = { email, otp: mailedCode, password: 'a third passphrase' }
        t.equal((await stranger().post('/email-otp/reset-password', byCode)).status, 400)
      }
      t.ok(await signsIn(email, renewed), 'the account is as it was left')
    })
  }

  await t.test('a code to another address ends with the password', async (t) => {
    const { email, device } = await somebody(world)
    const newEmail = `z-${email}`
    const ask = () => newest(world, codes, () => device.post('/email-otp/request-email-change', { newEmail }))
    const enter = (otp: string) => device.post('/email-otp/change-email', { newEmail, otp })
    const earlier = await ask()
    const body = { currentPassword: password, newPassword: renewed }
    t.equal((await device.post('/change-password', body)).status, 200)
    t.equal((await enter(earlier)).status, 400)
    t.equal((await enter(await ask())).status, 200, 'one that is asked for later is good')
  })

  await t.test('after another address the links to the one before are not good', async (t) => {
    const { email, device } = await somebody(world)
    const link = await askForReset(email)
    const toAnother = await newest(world, mails, () => device.post('/change-email', { newEmail: `y-${email}` }))
    t.equal((await device.fetch(toAnother.path)).status, 302)
    t.match((await device.client.getSession()).data, { user: { email: `y-${email}` } })
    t.equal((await reset(link.token)).status, 400)
    t.ok(await signsIn(`y-${email}`, password))
    t.equal((await reset((await askForReset(`y-${email}`)).token)).status, 200)
  })

  await t.test('a sign-in that waits for its second factor does not outlast the password', async (t) => {
    const { email, device } = await somebody(world)
    const enabled = await device.post('/two-factor/enable', { password })
    const { backupCodes } = (await enabled.json()) as { backupCodes: string[] }
    const waiting = stranger()
    t.match(await (await waiting.post('/sign-in/email', { email, password })).json(), { twoFactorRedirect: true })
    t.equal((await reset((await askForReset(email)).token)).status, 200)
    const late = await waiting.post('/two-factor/verify-backup-code', { code: backupCodes[0] })
    t.equal(late.status, 401)
    const fresh = stranger()
    t.match(await (await fresh.post('/sign-in/email', { email, password: renewed })).json(), {
      twoFactorRedirect: true
    })
    t.equal((await fresh.post('/two-factor/verify-backup-code', { code: backupCodes[0] })).status, 200)
  })

  await t.test('a first sign-in, and the hash that is made at it, end nothing', async (t) => {
    const { email } = await somebody(world)
    const link = await askForReset(email)
    t.ok(await signsIn(email, password))
    t.equal((await reset(link.token)).status, 200)
  })
}
