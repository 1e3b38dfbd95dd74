import { emailOTP, magicLink, phoneNumber, username } from 'better-auth/plugins'
import pg from 'pg'
import t from 'tap'
import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { startPostgres } from '../support/postgres.ts'

// A reset was answered in 11 ms for an address that nobody has, and in 14 for one that somebody has.

const postgres = await startPostgres(t)
const url = await postgres.createDatabase()
const bare = await openDatabase({ driver: 'pg', url })
await migrate(bare)
await bare.close()

let hashed = 0
const mails: string[] = []
const mail = async ({ user }: { user: { email: string } }) => {
  mails.push(user.email)
}
const code = async ({ email }: { email: string }) => {
  mails.push(email)
}
const target = await startAuthApp(t, {
  database: { driver: 'pg', url },
  extension: {
    sendResetPassword: mail,
    emailAndPassword: {
      password: {
        hash: async (given) => {
          hashed++
          return given
        },
        verify: async ({ hash, password }) => {
          hashed++
          return hash === password
        }
      }
    },
    sendVerificationEmail: mail,
    plugins: [
      emailOTP({ sendVerificationOTP: code, disableSignUp: true }),
      magicLink({ sendMagicLink: async () => {} }),
      phoneNumber({ sendOTP: async () => {}, sendPasswordResetOTP: async () => {} }),
      username()
    ]
  }
})
const known = 'ada@example.org'
const unknown = 'nobody@example.org'
await new Device(target).signUp(known)
await target.database.withDirectClient(({ query }) =>
  query(`update "user" set phone_number = '+491701234567', username = 'ada'`)
)
// Somebody who signs in by a provider, without a password.
await target.database.withDirectClient(({ query }) =>
  query(
    `insert into "user" (id, name, email, username, phone_number) values ('p', 'P', 'p@example.org', 'pam', '+491707654321')`
  )
)

const mailing: [path: string, more: object][] = [
  ['/request-password-reset', {}],
  ['/send-verification-email', {}],
  ['/email-otp/send-verification-otp', { type: 'forget-password' }],
  ['/email-otp/send-verification-otp', { type: 'sign-in' }],
  ['/email-otp/request-password-reset', {}],
  ['/forget-password/email-otp', {}]
]

t.test('what mails an account answers before it looks for one', async (t) => {
  for (const [path, more] of mailing) {
    mails.length = 0
    const lock = new pg.Client({ connectionString: url })
    await lock.connect()
    await lock.query('begin')
    // Whoever reads the users now waits.
    await lock.query('lock table "user" in access exclusive mode')
    const answers: string[] = []
    try {
      for (const email of [known, unknown]) {
        const answer = await new Device(target).post(path, { email, ...more })
        answers.push(`${answer.status} ${answer.headers.get('content-type')} ${await answer.text()}`)
      }
    } finally {
      await lock.query('rollback')
      await lock.end()
    }
    t.match(answers[0], /^200 application\/json \{"(status|success)":true/, path)
    t.equal(answers[1], answers[0], `${path}: the same answer`)
    await Promise.all(target.background)
    t.same(mails, [known], `${path}: a mail for the one`)
  }
})

t.test('what is refused is refused as ever', async (t) => {
  for (const email of [known, unknown]) {
    const reset = (body: object) => new Device(target).post('/request-password-reset', { email, ...body })
    t.equal((await reset({ redirectTo: 'https://evil.example/' })).status, 403)
    t.equal((await reset({ email: 'no address' })).status, 400)
  }
})

t.test('everything else does the same for an account that exists and for one that does not', async (t) => {
  const password = 'a wild guess'
  const pairs: [path: string, known: object, unknown: object][] = [
    ['/sign-in/email', { email: known, password }, { email: unknown, password }],
    ['/sign-in/username', { username: 'ada', password }, { username: 'nobody', password }],
    ['/sign-in/phone-number', { phoneNumber: '+491701234567', password }, { phoneNumber: '+491709999999', password }],
    ['/sign-in/email', { email: 'p@example.org', password }, { email: unknown, password }],
    ['/sign-in/username', { username: 'pam', password }, { username: 'nobody', password }],
    ['/sign-in/phone-number', { phoneNumber: '+491707654321', password }, { phoneNumber: '+491709999999', password }],
    ['/sign-in/email-otp', { email: known, otp: '000000' }, { email: unknown, otp: '000000' }],
    ['/sign-in/magic-link', { email: known }, { email: unknown }],
    ['/phone-number/request-password-reset', { phoneNumber: '+491701234567' }, { phoneNumber: '+491709999999' }],
    ['/email-otp/reset-password', { email: known, otp: '0', password }, { email: unknown, otp: '0', password }]
  ]
  for (const [path, one, other] of pairs) {
    const statements: string[][] = []
    const answers: string[] = []
    const hashes: number[] = []
    for (const body of [one, other]) {
      hashed = 0
      const during = await postgres.statementsDuring(async () => {
        const answer = await new Device(target).post(path, body)
        answers.push(`${answer.status} ${await answer.text()}`)
        await Promise.all(target.background)
      })
      statements.push(during)
      hashes.push(hashed)
    }
    t.equal(hashes[0], hashes[1], `${path}: so many passwords hashed`)
    t.equal(answers[0], answers[1], path)
    t.same(statements[0], statements[1], path)
    t.ok((statements[0]?.length ?? 0) > 0, path)
  }
})

t.test('a code that nobody was sent is guessed at like one that was', async (t) => {
  const guess = async (email: string) => {
    await new Device(target).post('/email-otp/request-password-reset', { email })
    await Promise.all(target.background)
    const said: string[] = []
    for (let n = 0; n < 5; n++) {
      const body = { email, otp: 'wrong', password: 'battery staple' }
      const answer = await new Device(target).post('/email-otp/reset-password', body)
      said.push(`${answer.status} ${await answer.text()}`)
    }
    return said
  }
  t.same(await guess(known), await guess(unknown))
})

t.test('while the database is away nobody is told to wait for a mail', async (t) => {
  await postgres.stop()
  for (const email of [known, unknown])
    t.equal((await new Device(target).post('/request-password-reset', { email })).status, 503)
})
