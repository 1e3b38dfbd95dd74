import { customSession, emailOTP, magicLink, oneTimeToken } from 'better-auth/plugins'
import t, { type Test } from 'tap'
import { rateLimited } from '../../auth/refusals.ts'
import { createConcurrencyLimit } from '../../db/semaphore.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { eachDatabase } from '../support/databases.ts'

const password = 'correct horse battery'
const renewed = 'another fine passphrase'

await eachDatabase(t, async (t, database) => {
  const mails: { url: string; token: string }[] = []
  const send = async ({ url, token }: { url: string; token: string }) => void mails.push({ url, token })
  let busy = false
  /** What the policy does before a deletion. */
  let beforeDelete = async () => {}
  const limit = createConcurrencyLimit({ permits: 4 })
  const target = await startAuthApp(t, {
    // One connection: a transaction that needs another one would wait for itself.
    database: { ...database.options, poolSize: 1 },
    passwordHashLimit: async (work) => {
      if (busy) throw rateLimited(2)
      return limit(work)
    },
    extension: {
      sendResetPassword: send,
      user: {
        deleteUser: { enabled: true, sendDeleteAccountVerification: send, beforeDelete: () => beforeDelete() }
      },
      plugins: [
        customSession(async (session) => ({ ...session, custom: true })),
        magicLink({ sendMagicLink: send }),
        oneTimeToken(),
        emailOTP({ sendVerificationOTP: async ({ otp }) => void mails.push({ url: '', token: otp }) })
      ]
    }
  })
  const { db } = target.database

  async function mailed(ask: () => Promise<unknown>) {
    mails.length = 0
    await ask()
    await Promise.all(target.background)
    const [mail] = mails
    if (mail === undefined) throw new Error('nothing was mailed')
    return mail
  }

  /** Every write of this table fails meanwhile, as those of a database do that is out of connections. */
  async function whileFailing<T>(table: string, events: string, work: () => Promise<T>): Promise<T> {
    await db.execute(`create or replace function fails() returns trigger language plpgsql as
      $$ begin raise exception 'no' using errcode = '53300'; end $$`)
    await db.execute(`create trigger fails before ${events} on "${table}" for each row execute function fails()`)
    try {
      return await work()
    } finally {
      await db.execute(`drop trigger fails on "${table}"`)
    }
  }

  let people = 0
  async function somebody() {
    people++
    const email = `p${people}@example.org`
    const device = new Device(target)
    await device.signUp(email, password)
    return { email, device }
  }

  async function isUnavailable(t: Test, answer: Response): Promise<void> {
    t.equal(answer.status, 503)
    t.match(await answer.json(), { code: 'SESSION_STORE_UNAVAILABLE' })
    t.same(answer.headers.getSetCookie(), [])
  }

  const failures: Record<string, (t: Test, reset: () => Promise<Response>) => Promise<void>> = {
    async 'a full queue for hashing'(t, reset) {
      busy = true
      t.equal((await reset()).status, 429)
      busy = false
    },
    async 'a password that is not written'(t, reset) {
      await isUnavailable(t, await whileFailing('account', 'insert or update', reset))
    },
    async 'sessions that are not ended'(t, reset) {
      await isUnavailable(t, await whileFailing('session', 'delete', reset))
    },
    async 'a link that cannot be used up'(t, reset) {
      await isUnavailable(t, await whileFailing('verification', 'delete', reset))
    }
  }

  for (const [name, fail] of Object.entries(failures)) {
    t.test(`a link to a new password outlives ${name}`, async (t) => {
      const { email, device } = await somebody()
      const { token } = await mailed(() => new Device(target).post('/request-password-reset', { email }))
      const reset = (newPassword = renewed) => new Device(target).post('/reset-password', { token, newPassword })
      await fail(t, () => reset())
      t.equal((await new Device(target).post('/sign-in/email', { email, password })).status, 200, 'nothing has changed')
      t.equal((await device.client.getSession()).data?.user.email, email, 'nobody was signed out')
      t.equal((await reset('short')).status, 400)
      t.equal((await reset()).status, 200, 'the same link')
      t.equal((await reset()).status, 400, 'once')
      t.equal((await new Device(target).post('/sign-in/email', { email, password: renewed })).status, 200)
    })
  }

  t.test('a link that signs in outlives a session, and a user, that is not made', async (t) => {
    const { email } = await somebody()
    for (const [name, table] of [
      [email, 'session'],
      [`new-${email}`, 'user'],
      [`newer-${email}`, 'session']
    ] as const) {
      const { url } = await mailed(() => new Device(target).post('/sign-in/magic-link', { email: name }))
      const open = () => new Device(target).fetch(new URL(url))
      await isUnavailable(t, await whileFailing(table, 'insert', open))
      await isUnavailable(t, await whileFailing(table, 'insert', open))
      const answer = await open()
      t.ok(answer.status < 400, `${answer.status}`)
      t.ok(answer.headers.getSetCookie().length > 0, 'the same link signs in')
      t.same((await open()).headers.getSetCookie(), [], 'once')
    }
  })

  t.test('where it cannot be put back at once, that is done when the database is back', async (t) => {
    const { email } = await somebody()
    const { url } = await mailed(() => new Device(target).post('/sign-in/magic-link', { email }))
    const open = () => new Device(target).fetch(new URL(url))
    await whileFailing('session', 'insert', () =>
      whileFailing('verification', 'insert', async () => {
        await isUnavailable(t, await open())
        t.match((await open()).headers.get('location'), /error=INVALID_TOKEN/, 'it is used up')
      })
    )
    t.ok((await open()).headers.getSetCookie().length > 0, 'the same link signs in')
    t.same((await open()).headers.getSetCookie(), [], 'once')
  })

  t.test(
    'a code that signs in outlives a session that is not made, and a wrong one costs an attempt as before',
    async (t) => {
      const { email } = await somebody()
      const { token: otp } = await mailed(() =>
        new Device(target).post('/email-otp/send-verification-otp', { email, type: 'sign-in' })
      )
      const enter = (code = otp) => new Device(target).post('/sign-in/email-otp', { email, otp: code })
      await isUnavailable(t, await whileFailing('session', 'insert', () => enter()))
      const wrong = otp === '000000' ? '000001' : '000000'
      for (let n = 0; n < 2; n++) t.equal((await enter(wrong)).status, 400)
      await isUnavailable(t, await whileFailing('session', 'insert', () => enter()))
      t.equal((await enter()).status, 200)
      t.equal((await enter()).status, 400, 'once')
    }
  )

  t.test('a token for one other browser outlives a failure', async (t) => {
    const { device } = await somebody()
    const generated = await device.fetch('/one-time-token/generate')
    const { token } = (await generated.json()) as { token: string }
    const use = () => new Device(target).post('/one-time-token/verify', { token })
    await db.execute('alter table session rename to session_gone')
    const broken = await use()
    await db.execute('alter table session_gone rename to session')
    t.equal(broken.status, 500)
    t.equal((await use()).status, 200)
    t.equal((await use()).status, 400, 'once')
  })

  t.test('a link that deletes an account outlives a failure, and whoever else sends it', async (t) => {
    const { email, device } = await somebody()
    const { token, url } = await mailed(() => device.post('/delete-user', { password, callbackURL: '/bye' }))
    const { device: other } = await somebody()
    t.equal((await other.fetch(new URL(url))).status, 404)
    t.equal((await other.post('/delete-user', { token })).status, 404)
    t.equal((await new Device(target).fetch(new URL(url))).status, 404, 'nobody')
    await isUnavailable(t, await whileFailing('user', 'delete', () => device.fetch(new URL(url))))
    await isUnavailable(t, await whileFailing('user', 'delete', () => device.post('/delete-user', { token })))
    t.equal((await new Device(target).post('/sign-in/email', { email, password })).status, 200, 'nothing was deleted')
    t.equal((await device.fetch(new URL(url))).headers.get('location'), '/bye')
    t.equal((await new Device(target).post('/sign-in/email', { email, password })).status, 401)
  })

  t.test('a link that deletes an account is not put back after a new password that came meanwhile', async (t) => {
    const { device } = await somebody()
    const { url } = await mailed(() => device.post('/delete-user', { password, callbackURL: '/bye' }))
    const open = () => device.fetch(new URL(url))
    const begun = Promise.withResolvers<void>()
    const until = Promise.withResolvers<void>()
    beforeDelete = async () => {
      begun.resolve()
      await until.promise
      throw new Error('not now')
    }
    const deletion = open()
    await begun.promise
    const changed = await device.post('/change-password', { currentPassword: password, newPassword: renewed })
    until.resolve()
    t.equal(changed.status, 200)
    t.equal((await deletion).status, 500)
    beforeDelete = async () => {}
    t.equal((await open()).status, 404, 'it ended with the password')
    t.equal((await device.client.getSession()).data?.user !== undefined, true, 'the account is there')
  })

  t.test('customSession does not take an outage for nobody', async (t) => {
    const { device } = await somebody()
    t.match(await (await device.fetch('/get-session')).json(), { custom: true })
    await db.execute('alter table session rename to session_gone')
    const broken = await device.fetch('/get-session')
    await db.execute('alter table session_gone rename to session')
    t.ok(broken.status >= 500, `a statement that the database refuses: ${broken.status}`)
    t.same(broken.headers.getSetCookie(), [])
    t.match(await (await device.fetch('/get-session')).json(), { custom: true })
    if (database.postgres === undefined) return
    await database.postgres.stop()
    const away = await device.fetch('/get-session')
    await isUnavailable(t, away)
    await database.postgres.start()
  })
})
