import t from 'tap'
import { isOwnHash } from '../../auth/imported-hash.ts'
import { createPasswordHashLimit } from '../../auth/password-hash-limit.ts'
import { rateLimited } from '../../auth/refusals.ts'
import { type ConcurrencyLimit, createConcurrencyLimit } from '../../db/semaphore.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { eachDatabase } from '../support/databases.ts'
import { importedHashes, importedPassword, importUser, storedHash, storeHash } from '../support/imported-users.ts'

const password = importedPassword
const next = 'another password'

await eachDatabase(t, async (t, { options: database, publicUrl }) => {
  // What happens between the verification of a password and what follows it.
  let afterHashing = async () => {}
  const limit = createPasswordHashLimit()
  const passwordHashLimit: ConcurrencyLimit = async (work) => {
    const result = await limit(work)
    const once = afterHashing
    afterHashing = async () => {}
    await once()
    return result
  }
  const target = await startAuthApp(t, { publicUrl, database, passwordHashLimit })
  const signIn = (email: string, password: string) => new Device(target).post('/sign-in/email', { email, password })
  const isOwn = async (email: string) => isOwnHash(String(await storedHash(target, email)))

  t.test("an imported hash is verified, and BetterAuth's own takes its place at the first sign-in", async (t) => {
    // All at once, because refusals are held back.
    await Promise.all(
      Object.entries(importedHashes).map(async ([name, hash]) => {
        const email = `${name.toLowerCase()}@example.org`
        await importUser(target, email, hash)
        t.equal((await signIn(email, 'a wild guess')).status, 401, name)
        t.equal((await signIn(email, '')).status, 401, name)
        t.equal(await storedHash(target, email), hash, `${name}: kept while nobody signed in`)
        t.equal((await signIn(email, password)).status, 200, name)
        t.ok(await isOwn(email), `${name}: replaced`)
        t.equal((await signIn(email, 'a wild guess')).status, 401, name)
        t.equal((await signIn(email, password)).status, 200, name)
      })
    )
  })

  t.test('everybody who signs in at the same moment is let in', async (t) => {
    await importUser(target, 'grace@example.org', importedHashes.argon2id)
    const answers = await Promise.all([1, 2, 3].map(() => signIn('grace@example.org', password)))
    t.same(
      answers.map(({ status }) => status),
      [200, 200, 200]
    )
    t.ok(await isOwn('grace@example.org'))
  })

  t.test('a password that was changed meanwhile stays, and the old one opens nothing', async (t) => {
    const email = 'joan@example.org'
    for (const hash of [importedHashes.pbkdf2, importedHashes.bcrypt]) {
      await importUser(target, email, hash).catch(() => storeHash(target, email, hash))
      const { password: own } = await target.auth.$context
      const changed = await own.hash(next)
      afterHashing = () => storeHash(target, email, changed)
      t.equal((await signIn(email, password)).status, 401)
      t.equal(await storedHash(target, email), changed)
      t.equal((await signIn(email, next)).status, 200)
    }
  })

  t.test('whatever else asks for the password knows an imported one', async (t) => {
    const email = 'mary@example.org'
    const hash = importedHashes.bcrypt
    const mary = new Device(target)
    await mary.signUp(email)
    const ask = (path: string, body: object) =>
      new Device(target, undefined).post(path, body, { cookie: mary.cookieHeader })

    await storeHash(target, email, hash)
    t.equal((await ask('/verify-password', { password: 'a wild guess' })).status, 400)
    t.equal((await ask('/verify-password', { password })).status, 200)
    t.equal((await ask('/change-password', { currentPassword: 'a wild guess', newPassword: next })).status, 400)
    t.equal(await storedHash(target, email), hash, 'only signing in replaces it')
    t.equal((await ask('/change-password', { currentPassword: password, newPassword: next })).status, 200)
    t.equal((await signIn(email, next)).status, 200)

    await storeHash(target, email, hash)
    t.equal((await ask('/delete-user', { password: 'a wild guess' })).status, 400)
    t.equal((await ask('/delete-user', { password })).status, 200)
    t.equal(await storedHash(target, email), undefined)
  })
})

t.test('functions of the policy file alone know what they store', async (t) => {
  const seen: string[] = []
  const target = await startAuthApp(t, {
    extension: {
      emailAndPassword: {
        password: {
          hash: async (given) => `own ${given}`,
          verify: async ({ hash, password }) => {
            seen.push(hash)
            return hash === `own ${password}`
          }
        }
      }
    }
  })
  await importUser(target, 'ada@example.org', importedHashes.bcrypt)
  t.equal((await new Device(target).post('/sign-in/email', { email: 'ada@example.org', password })).status, 401)
  t.same(seen, [importedHashes.bcrypt])
})

t.test('an imported password is verified in its turn, and nobody waits for it in the event loop', async (t) => {
  const passwordHashLimit = createConcurrencyLimit({ permits: 1, maxWaiting: 0, refusal: () => rateLimited(2) })
  const target = await startAuthApp(t, { passwordHashLimit })
  const email = 'ada@example.org'
  await importUser(target, email, `$2b$14$${'a'.repeat(53)}`)
  const ended: string[] = []
  const first = new Device(target).post('/sign-in/email', { email, password }).finally(() => ended.push('first'))
  const other = new Device(target)
  for (let n = 0; n < 20; n++) t.equal((await other.fetch('/ok')).status, 200)
  t.match(await other.post('/sign-in/email', { email, password }), { status: 429 })
  t.same(ended, [])
  t.match(await first, { status: 401 })
})
