import { hashPassword, verifyPassword } from 'better-auth/crypto'
import { emailOTP, twoFactor } from 'better-auth/plugins'
import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { user } from '../../db/schema.ts'
import { createConcurrencyLimit } from '../../db/semaphore.ts'
import { type AuthApp, Device, startAuthApp } from '../support/auth-app.ts'
import { eachDatabase } from '../support/databases.ts'
import { totp } from '../support/totp.ts'

// Three changes of one password at once, each with the same current one, were all answered 200: each was checked before
// one of them was written. A thief and the owner would both be told that they had changed it.

const password = 'correct horse battery'

await eachDatabase(t, async (t, database) => {
  const mails: { url: string; token: string }[] = []
  const codes: string[] = []
  const deletions: string[] = []
  /** Where set, a password that was found right is not told before this has settled. */
  let hold: { readonly verified: () => void; readonly until: Promise<void> } | undefined
  const start = () =>
    startAuthApp(t, {
      publicUrl: database.publicUrl,
      database: database.options,
      // As many as ask: were passwords hashed one after another, nothing would happen at once.
      passwordHashLimit: createConcurrencyLimit({ permits: 8 }),
      extension: {
        emailAndPassword: {
          password: {
            hash: hashPassword,
            async verify(given) {
              const right = await verifyPassword(given)
              const held = hold
              held?.verified()
              await held?.until
              return right
            }
          }
        },
        sendResetPassword: async ({ url, token }) => void mails.push({ url, token }),
        sendVerificationEmail: async ({ url, token }) => void mails.push({ url, token }),
        user: {
          changeEmail: { enabled: true, updateEmailWithoutVerification: true },
          deleteUser: { enabled: true, beforeDelete: async ({ id }) => void deletions.push(id) }
        },
        account: { accountLinking: { enabled: true } },
        plugins: [twoFactor(), emailOTP({ sendVerificationOTP: async ({ otp }) => void codes.push(otp) })]
      }
    })
  const first = await start()
  // The embedded database has one process.
  const replicas = database.name === 'pglite' ? [first] : [first, await start()]
  const { db } = first.database

  let people = 0
  async function somebody() {
    people++
    const email = `p${people}@example.org`
    const device = new Device(first)
    const id = await device.signUp(email, password)
    return { id, email, device }
  }

  /** The same browser in so many windows, at the replicas in turn. */
  function windows({ cookies }: Device, count: number): Device[] {
    return Array.from({ length: count }, (_, n) => {
      const window = new Device(replicas[n % replicas.length] as AuthApp)
      for (const [name, value] of cookies) window.cookies.set(name, value)
      return window
    })
  }

  function postAtOnce(device: Device, path: string, bodies: readonly object[]): Promise<Response[]> {
    return Promise.all(windows(device, bodies.length).map((window, n) => window.post(path, bodies[n])))
  }

  async function signsIn(email: string, given: string): Promise<boolean> {
    return (await new Device(first).post('/sign-in/email', { email, password: given })).status === 200
  }

  async function mailed(count: number, ask: () => Promise<unknown>) {
    mails.length = 0
    for (let n = 0; n < count; n++) await ask()
    await Promise.all(replicas.flatMap(({ background }) => background))
    return mails.slice(0, count)
  }

  t.test('three new passwords', async (t) => {
    const { email, device } = await somebody()
    const offered = ['a new passphrase 1', 'a new passphrase 2', 'a new passphrase 3']
    const answers = await postAtOnce(
      device,
      '/change-password',
      offered.map((newPassword) => ({ currentPassword: password, newPassword }))
    )
    const winner = oneWins(t, answers)
    for (const [n, given] of offered.entries()) t.equal(await signsIn(email, given), n === winner, `password ${n}`)
  })

  t.test('three new addresses', async (t) => {
    // No secret is checked here that could be held back, and a call that begins when another has ended may succeed as well.
    // So they are sent again until they meet; without the lock all three succeed, however often.
    for (let round = 1; round <= 8; round++) {
      const { id, device } = await somebody()
      const offered = [1, 2, 3].map((n) => `moved-${people}-${n}@example.org`)
      const answers = await postAtOnce(
        device,
        '/change-email',
        offered.map((newEmail) => ({ newEmail }))
      )
      const winners = offered.filter((_, n) => answers[n]?.status === 200)
      const rows = await db.select({ email: user.email }).from(user).where(eq(user.id, id))
      t.ok(winners.includes(rows[0]?.email ?? ''), 'the address is one that was told to be taken')
      if (winners.length > 1) continue
      oneWins(t, answers)
      return
    }
    t.fail('more than one call succeeded each time')
  })

  t.test('two mailed links, to one new address each', async (t) => {
    const { id, device } = await somebody()
    await db.execute(`update "user" set email_verified = true where id = '${id}'`)
    const offered = [1, 2].map((n) => `linked-${people}-${n}@example.org`)
    const links = await mailed(2, () => device.post('/change-email', { newEmail: offered[mails.length] }))
    t.equal(links.length, 2)
    const answers = await Promise.all(
      windows(device, 2).map((window, n) => {
        const link = new URL(links[n]?.url ?? '')
        link.searchParams.set('callbackURL', '/welcome')
        return window.fetch(link)
      })
    )
    t.same(
      answers.map(({ headers }) => headers.get('location')).toSorted(),
      ['/welcome', '/welcome?error=INVALID_TOKEN'],
      'who came second is told so where the link leads'
    )
    const winner = answers.findIndex(({ headers }) => headers.get('location') === '/welcome')
    const rows = await db.select({ email: user.email }).from(user).where(eq(user.id, id))
    t.same(rows, [{ email: offered[winner] }])
  })

  t.test('three set-ups of a second factor, of which the one that was accepted works', async (t) => {
    const { id, device } = await somebody()
    const answers = await postAtOnce(device, '/two-factor/enable', [{ password }, { password }, { password }])
    const bodies = (await Promise.all(answers.map((answer) => answer.clone().json()))) as { totpURI: string }[]
    const winner = oneWins(t, answers)
    t.equal(await count('two_factor', id), 1)
    const verified = await device.post('/two-factor/verify-totp', { code: totp(bodies[winner]?.totpURI ?? '') })
    t.equal(verified.status, 200)
  })

  t.test('one mailed link to a new password, three times', async (t) => {
    const { email } = await somebody()
    const [mail] = await mailed(1, () => new Device(first).post('/request-password-reset', { email }))
    const offered = ['a new passphrase 1', 'a new passphrase 2', 'a new passphrase 3']
    const answers = await postAtOnce(
      new Device(first),
      '/reset-password',
      offered.map((newPassword) => ({ newPassword, token: mail?.token }))
    )
    const winner = oneWins(t, answers)
    for (const [n, given] of offered.entries()) t.equal(await signsIn(email, given), n === winner, `password ${n}`)
  })

  t.test('three mailed links to new passwords', async (t) => {
    const { email } = await somebody()
    const links = await mailed(3, () => new Device(first).post('/request-password-reset', { email }))
    const offered = ['a new passphrase 1', 'a new passphrase 2', 'a new passphrase 3']
    const answers = await postAtOnce(
      new Device(first),
      '/reset-password',
      offered.map((newPassword, n) => ({ newPassword, token: links[n]?.token }))
    )
    const winner = oneWins(t, answers)
    for (const [n, given] of offered.entries()) t.equal(await signsIn(email, given), n === winner, `password ${n}`)
  })

  t.test('a mailed link to a new password, and whoever knows the old one', async (t) => {
    const { email, device } = await somebody()
    const [mail] = await mailed(1, () => new Device(first).post('/request-password-reset', { email }))
    const held = holdVerified()
    const [thief] = windows(device, 1)
    const change = thief?.post('/change-password', { currentPassword: password, newPassword: 'of the thief 123' })
    await held.verified
    const reset = await new Device(replicas.at(-1) ?? first).post('/reset-password', {
      newPassword: 'of the owner 123',
      token: mail?.token
    })
    t.equal(reset.status, 200)
    held.release()
    const refused = (await change)?.status ?? 0
    t.ok(refused >= 400 && refused < 500, `the change is refused: ${refused}`)
    t.equal(await signsIn(email, 'of the owner 123'), true)
    t.equal(await signsIn(email, 'of the thief 123'), false)
  })

  t.test('a name that somebody with a session writes meanwhile keeps nobody from a new password', async (t) => {
    const { email, device } = await somebody()
    const held = holdVerified()
    const change = device.post('/change-password', { currentPassword: password, newPassword: 'of the owner 123' })
    await held.verified
    const [thief] = windows(device, 1)
    t.equal((await thief?.post('/update-user', { name: 'x' }))?.status, 200)
    held.release()
    t.equal((await change).status, 200)
    t.equal(await signsIn(email, 'of the owner 123'), true)
  })

  t.test('nor from one by a mailed link, however often it is written', async (t) => {
    const { id, email } = await somebody()
    const [mail] = await mailed(1, () => new Device(first).post('/request-password-reset', { email }))
    // Once more right before each claim.
    await db.execute(`create or replace function renames() returns trigger language plpgsql as $$ begin
      update "user" set name = 'again', updated_at = clock_timestamp() where id = '${id}'; return null; end $$`)
    await db.execute('create trigger renames after insert on verification for each row execute function renames()')
    const reset = await new Device(first).post('/reset-password', { newPassword: 'once more 1234', token: mail?.token })
    await db.execute('drop trigger renames on verification')
    t.equal(reset.status, 200)
    t.equal(await signsIn(email, 'once more 1234'), true)
  })

  t.test('a password that an operator replaces meanwhile', async (t) => {
    const { id, email, device } = await somebody()
    const held = holdVerified()
    const change = device.post('/change-password', { currentPassword: password, newPassword: 'of the thief 123' })
    await held.verified
    const replaced = await hashPassword('of the operator')
    await db.execute(`update account set password = '${replaced}' where user_id = '${id}'`)
    held.release()
    t.match(await (await change).json(), { code: 'ACCOUNT_CHANGED' })
    t.equal(await signsIn(email, 'of the operator'), true)
  })

  t.test('one mailed code for a new password, three times', async (t) => {
    const { email } = await somebody()
    codes.length = 0
    await new Device(first).post('/email-otp/request-password-reset', { email })
    await Promise.all(first.background)
    const offered = ['a new passphrase 1', 'a new passphrase 2', 'a new passphrase 3']
    const answers = await postAtOnce(
      new Device(first),
      '/email-otp/reset-password',
      offered.map((newPassword) => ({ email, otp: codes[0], password: newPassword }))
    )
    const winner = oneWins(t, answers)
    for (const [n, given] of offered.entries()) t.equal(await signsIn(email, given), n === winner, `password ${n}`)
  })

  t.test('the last two ways to sign in, of which one has to stay', async (t) => {
    const { id, device } = await somebody()
    await db.execute(`insert into account (id, account_id, provider_id, user_id, created_at, updated_at)
      values ('other-${id}', 'x-${id}', 'github', '${id}', now(), now())`)
    const listed = (await (await device.fetch('/list-accounts')).json()) as { id: string }[]
    t.equal(listed.length, 2)
    oneWins(
      t,
      await postAtOnce(
        device,
        '/unlink-account',
        listed.map(({ id: accountId }) => ({ accountId }))
      )
    )
    t.equal(await count('account', id), 1)
  })

  t.test('one link that confirms an address may be opened twice', async (t) => {
    const { email } = await somebody()
    const [mail] = await mailed(1, () => new Device(first).post('/send-verification-email', { email }))
    const answers = await Promise.all(
      windows(new Device(first), 3).map((window) => window.fetch(new URL(mail?.url ?? '')))
    )
    t.same(
      answers.map(({ headers }) => headers.get('location')),
      ['/', '/', '/']
    )
  })

  t.test('nobody signs in with a password that is replaced meanwhile', async (t) => {
    const { id, email } = await somebody()
    const [mail] = await mailed(1, () => new Device(first).post('/request-password-reset', { email }))
    const held = holdVerified()
    const thief = new Device(first)
    const signIn = thief.post('/sign-in/email', { email, password })
    await held.verified
    const reset = await new Device(replicas.at(-1) ?? first).post('/reset-password', {
      newPassword: 'of the owner 123',
      token: mail?.token
    })
    t.equal(reset.status, 200)
    held.release()
    const answer = await signIn
    t.equal(answer.status, 401)
    t.match(await answer.json(), { code: 'INVALID_EMAIL_OR_PASSWORD' })
    t.notOk([...thief.cookies.keys()].some((name) => name.includes('session_token')))
    t.equal(await count('session', id), 0, 'the reset ended every session, and none came after it')
    t.equal(await signsIn(email, 'of the owner 123'), true)
  })

  t.test('one user signs in on three devices at once', async (t) => {
    const { email } = await somebody()
    const answers = await postAtOnce(new Device(first), '/sign-in/email', Array(3).fill({ email, password }))
    t.same(
      answers.map(({ status }) => status),
      [200, 200, 200]
    )
  })

  t.test('three deletions', async (t) => {
    const { id, device } = await somebody()
    deletions.length = 0
    const answers = await postAtOnce(device, '/delete-user', [{ password }, { password }, { password }])
    oneWins(t, answers)
    t.same(deletions, [id], 'what the policy does before it is done once')
  })

  async function count(table: string, userId: string): Promise<number> {
    const found = (await db.execute(`select 1 from ${table} where user_id = '${userId}'`)) as { rows: unknown[] }
    return found.rows.length
  }

  function holdVerified() {
    const verified = Promise.withResolvers<void>()
    const until = Promise.withResolvers<void>()
    hold = { verified: verified.resolve, until: until.promise }
    return {
      verified: verified.promise,
      release() {
        hold = undefined
        until.resolve()
      }
    }
  }
})

/** Exactly one is accepted, and the others are refused as the client's mistake. Which one it was. */
function oneWins(t: Test, answers: readonly Response[]): number {
  const statuses = answers.map(({ status }) => status)
  t.equal(statuses.filter((status) => status === 200).length, 1, `one is accepted: ${statuses}`)
  t.ok(
    statuses.every((status) => status === 200 || [400, 401, 404, 409].includes(status)),
    `the others are refused: ${statuses}`
  )
  return statuses.indexOf(200)
}
