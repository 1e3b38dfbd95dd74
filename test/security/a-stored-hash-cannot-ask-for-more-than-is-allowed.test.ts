import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { importedHashes, importedPassword, storeHash } from '../support/imported-users.ts'

// Whoever can write a row of `account` could otherwise have a sign-in take the machine's memory, or its cores for hours.

const salt = 'c2FsdHNhbHRzYWx0'
const key = 'A'.repeat(43)
const costly: Record<string, string> = {
  'bcrypt for days': `$2b$31$${'a'.repeat(53)}`,
  "Django's bcrypt for days": `bcrypt_sha256$$2b$31$${'a'.repeat(53)}`,
  'four tebibytes': `$argon2id$v=19$m=4294967295,t=1,p=1$${salt}$${key}`,
  'four billion passes': `$argon2id$v=19$m=65536,t=4294967295,p=1$${salt}$${key}`,
  'more lanes than memory': `$argon2id$v=19$m=8,t=1,p=16777215$${salt}$${key}`,
  'scrypt over 2^63': `$scrypt$ln=63,r=8,p=1$${salt}$${key}`,
  'scrypt over r': `$scrypt$ln=4,r=1073741823,p=1$${salt}$${key}`,
  'scrypt over r and p': `$scrypt$ln=1,r=262144,p=16$${salt}$${key}`,
  'scrypt over p': `scrypt$16384$salt$8$1073741823$${key}=`,
  'PBKDF2 for hours': `pbkdf2_sha256$4294967295$salt$${key}=`,
  'PBKDF2 for a long key': `$pbkdf2-sha256$2000000$${salt}$${'A'.repeat(400)}`
}
// What every password, or an easy guess, would come to.
const open: Record<string, string> = {
  'no key': 'pbkdf2_sha256$1$salt$',
  'no key of scrypt': `$scrypt$ln=4,r=8,p=1$${salt}$`,
  'no key of Argon2': `$argon2id$v=19$m=1024,t=1,p=1$${salt}$`,
  'a key of a byte': 'pbkdf2_sha256$1$salt$AA==',
  nothing: '',
  'a colon': ':',
  'no hash at all': importedPassword,
  'a hash of a hash': `$2b$04$${importedHashes.bcrypt}`,
  'a megabyte': `pbkdf2_sha256$1$salt$${'A'.repeat(1_048_576)}`
}

const target = await startAuthApp(t)
const email = 'ada@example.org'
await new Device(target).signUp(email)
const ada = new Device(target)
await ada.post('/sign-in/email', { email, password: 'correct horse' })

for (const [name, hash] of Object.entries({ ...costly, ...open })) {
  t.test(name, async (t) => {
    await storeHash(target, email, hash)
    const before = process.memoryUsage.rss()
    const began = performance.now()
    const answers = await Promise.all([
      new Device(target).post('/sign-in/email', { email, password: importedPassword }),
      new Device(target).post('/verify-password', { password: importedPassword }, { cookie: ada.cookieHeader })
    ])
    t.same(
      answers.map(({ status }) => status),
      [401, 400]
    )
    t.ok(performance.now() - began < 20_000, 'within seconds, on a machine that has much else to do')
    t.ok(process.memoryUsage.rss() - before < 300 * 1024 * 1024)
    await target.app.inject('/') // the event loop turns
  })
}
