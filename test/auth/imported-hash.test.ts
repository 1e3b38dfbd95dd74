import t from 'tap'
import { hashBounds, isOwnHash, readImportedHash } from '../../auth/imported-hash.ts'
import { importedHashes } from '../support/imported-users.ts'

const problemOf = (hash: string) => {
  const read = readImportedHash(hash)
  return 'problem' in read ? read.problem : 'none'
}
const salt = 'c2FsdHNhbHRzYWx0'
const key = 'A'.repeat(43)

t.test('every form that is promised can be read', async (t) => {
  for (const [name, hash] of Object.entries(importedHashes)) t.equal(problemOf(hash), 'none', name)
})

t.test('what is allowed can be read, and one more cannot', async (t) => {
  const { bcryptCost, argon2MemoryKib, argon2Passes, pbkdf2Iterations, lanes } = hashBounds
  const bounds: [(value: number) => string, number][] = [
    [(cost) => `$2b$${cost}$${'a'.repeat(53)}`, bcryptCost],
    [(cost) => `bcrypt_sha256$$2b$${cost}$${'a'.repeat(53)}`, bcryptCost],
    [(memory) => `$argon2id$v=19$m=${memory},t=1,p=1$${salt}$${key}`, argon2MemoryKib],
    [(memory) => `argon2$argon2id$v=19$m=${memory},t=1,p=1$${salt}$${key}`, argon2MemoryKib],
    [(passes) => `$argon2id$v=19$m=1024,t=${passes},p=1$${salt}$${key}`, argon2Passes],
    [(p) => `$argon2id$v=19$m=1024,t=1,p=${p}$${salt}$${key}`, lanes],
    [(log) => `$scrypt$ln=${log},r=8,p=1$${salt}$${key}`, 16],
    [(r) => `$scrypt$ln=14,r=${r},p=1$${salt}$${key}`, 32],
    [(r) => `scrypt$16384$salt$${r}$1$${key}=`, 32],
    [(p) => `$scrypt$ln=14,r=8,p=${p}$${salt}$${key}`, lanes],
    [(iterations) => `pbkdf2_sha256$${iterations}$salt$${key}=`, pbkdf2Iterations],
    [(iterations) => `$pbkdf2-sha512$${iterations}$${salt}$${key}`, pbkdf2Iterations],
    [(iterations) => `$pbkdf2-sha256$i=${iterations}$${salt}$${key}`, pbkdf2Iterations]
  ]
  for (const [of, bound] of bounds) {
    t.equal(problemOf(of(bound)), 'none', of(bound))
    t.match(problemOf(of(bound + 1)), /asks for more than is allowed/, of(bound + 1))
  }
})

t.test('a key that a guess would meet, or every password, is none', async (t) => {
  for (const short of ['', 'AAAA', 'A'.repeat(20)]) {
    t.match(problemOf(`$argon2id$v=19$m=1024,t=1,p=1$${salt}$${short}`), /no form/)
    t.match(problemOf(`$scrypt$ln=4,r=8,p=1$${salt}$${short}`), /no form/)
    t.match(problemOf(`scrypt$16$salt$8$1$${short}`), /no form/)
    t.match(problemOf(`pbkdf2_sha256$1$salt$${short}`), /no form/)
    t.match(problemOf(`$pbkdf2-sha256$1$${salt}$${short}`), /no form/)
  }
})

t.test('a key longer than its digest is none, because each further piece costs as much as the first', async (t) => {
  t.match(problemOf(`pbkdf2_sha256$1$salt$${'A'.repeat(44)}`), /no form/)
  t.match(problemOf(`$pbkdf2-sha512$1$${salt}$${'A'.repeat(87)}`), /no form/)
})

t.test('what cannot be computed is none', async (t) => {
  for (const hash of [
    '',
    'x',
    '$',
    '$2b$10$',
    `$2x$10$${'a'.repeat(53)}`,
    `$2b$03$${'a'.repeat(53)}`,
    `$2b$1e$${'a'.repeat(53)}`,
    `$argon2d$v=19$m=1024,t=1,p=1$${salt}$${key}`,
    `$argon2id$v=16$m=1024,t=1,p=1$${salt}$${key}`,
    `$argon2id$m=1024,t=1,p=1$${salt}$${key}`,
    `$argon2id$v=19$m=1024,t=0,p=1$${salt}$${key}`,
    `$argon2id$v=19$m=1024,t=1,p=0$${salt}$${key}`,
    `$argon2id$v=19$m=7,t=1,p=1$${salt}$${key}`,
    `$argon2id$v=19$m=1024,t=1,p=1$c2Fs$${key}`,
    `$argon2id$v=19$m=-1,t=1,p=1$${salt}$${key}`,
    `$scrypt$ln=0,r=8,p=1$${salt}$${key}`,
    `$scrypt$ln=14,r=0,p=1$${salt}$${key}`,
    `scrypt$16383$salt$8$1$${key}=`,
    `scrypt$0$salt$8$1$${key}=`,
    `pbkdf2_sha256$0$salt$${key}=`,
    `pbkdf2_md5$1000$salt$${key}=`,
    `pbkdf2_sha256$1000$${'s'.repeat(100)}$${key}=`,
    `pbkdf2_sha256$1000$salt$${'A'.repeat(1_000_000)}`
  ]) {
    t.match(problemOf(hash), /no form/, hash.slice(0, 60))
    t.notOk(isOwnHash(hash))
  }
})

t.test("BetterAuth's own hashes are told from all others", async (t) => {
  t.ok(isOwnHash(`${'0a'.repeat(16)}:${'0a'.repeat(64)}`))
  for (const hash of Object.values(importedHashes)) t.notOk(isOwnHash(hash), hash)
  for (const hash of ['', ':', 'a:', `:${'0'.repeat(128)}`, 'a:b', 'a:b:c']) t.notOk(isOwnHash(hash), hash)
})
