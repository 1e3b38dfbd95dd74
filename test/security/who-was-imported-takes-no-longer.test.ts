import t, { type Test } from 'tap'
import { longestMs, readImportedHash } from '../../auth/imported-hash.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { migrateOnce } from '../support/embedded-database.ts'
import { importUser } from '../support/imported-users.ts'
import { startPostgres } from '../support/postgres.ts'

// A guess at an imported bcrypt hash took longer than one at BetterAuth's own: it told whose account had been imported.

const postgres = await startPostgres(t)
const url = await postgres.createDatabase()
await migrateOnce({ driver: 'pg', url })
const hash = `$2b$10$${'a'.repeat(53)}`
const read = readImportedHash(hash)
if ('problem' in read) throw new Error(read.problem)
const longest = longestMs(read)

const kinds = ['nobody@example.org', 'native@example.org', 'imported@example.org']

/** A refused sign-in at each kind of account, at a gateway that has just started. */
async function guesses(t: Test) {
  const target = await startAuthApp(t, { database: { driver: 'pg', url } })
  const guess = async (email: string) => {
    let ms = 0
    let answer = ''
    const statements = await postgres.statementsDuring(async () => {
      const began = performance.now()
      const response = await new Device(target).post('/sign-in/email', { email, password: 'a wild guess' })
      ms = performance.now() - began
      answer = `${response.status} ${await response.text()}`
    })
    return { ms, answer, statements: statements.length }
  }
  const first = await guess('whoever@example.org')
  const others: (typeof first)[] = []
  for (const email of kinds) others.push(await guess(email))
  return { target, first, others }
}

t.test('where nobody was imported, nobody waits', async (t) => {
  const { target, others } = await guesses(t)
  await new Device(target).signUp('native@example.org')
  t.equal(new Set(others.map(({ answer }) => answer)).size, 1)
  // One of three, because this machine may have something else to do for a while.
  t.ok(Math.min(...others.map(({ ms }) => ms)) < longest)
  await importUser(target, 'imported@example.org', hash)
})

t.test('where somebody was, every refusal waits as long, from the first one on', async (t) => {
  const { first, others } = await guesses(t)
  t.ok(first.ms >= longest, `${first.ms}`)
  for (const { ms, answer, statements } of others) {
    t.ok(ms >= longest, `${ms}`)
    t.equal(answer, first.answer)
    t.equal(statements, others[0]?.statements)
  }
})

t.test('whose password is right waits for nothing', async (t) => {
  const target = await startAuthApp(t, { database: { driver: 'pg', url } })
  const took: number[] = []
  for (let n = 0; n < 3; n++) {
    const began = performance.now()
    const right = { email: 'native@example.org', password: 'correct horse' }
    t.equal((await new Device(target).post('/sign-in/email', right)).status, 200)
    took.push(performance.now() - began)
  }
  t.ok(Math.min(...took) < longest)
})
