/** A password's hash as another system stored it, taken apart. `key` is what the password has to come to. */
export type ImportedHash =
  | {
      readonly kind: 'bcrypt'
      /** `$2b$12$…`. */
      readonly encoded: string
      readonly cost: number
      /** Django hashes a password by SHA-256 before bcrypt cuts it at 72 bytes. */
      readonly prehashed: boolean
    }
  | {
      readonly kind: 'argon2'
      readonly type: 'argon2id' | 'argon2i'
      readonly memoryKib: number
      readonly passes: number
      readonly lanes: number
      readonly salt: Uint8Array
      readonly key: Uint8Array
    }
  | {
      readonly kind: 'scrypt'
      /** N, r and p of RFC 7914. */
      readonly cost: number
      readonly blockSize: number
      readonly lanes: number
      readonly salt: Uint8Array
      readonly key: Uint8Array
    }
  | {
      readonly kind: 'pbkdf2'
      readonly digest: keyof typeof digestBytes
      readonly iterations: number
      readonly salt: Uint8Array
      readonly key: Uint8Array
    }

/** Why a hash, or a user who has it, cannot be used, in words that repeat nothing of them. */
export interface HashProblem {
  readonly problem: string
}

/** What a hash may ask for. Whoever writes a row of `account` decides how long a sign-in computes, and in how much memory. */
export const hashBounds = {
  bcryptCost: 14,
  argon2MemoryKib: 256 * 1024,
  argon2Passes: 10,
  pbkdf2Iterations: 2_000_000,
  scryptBytes: 64 * 1024 * 1024,
  /** Argon2's lanes and scrypt's `p`. */
  lanes: 16
} as const

// A key of a few bytes would be met by a guess, and one of none by every password.
const shortestKey = 16
const longestKey = 64
const longestSalt = 64
const longestHash = 512

const digestBytes = { sha1: 20, sha256: 32, sha512: 64 } as const

const unknownForm: HashProblem = { problem: 'the hash is in no form that is known' }
const outOfBounds = (what: string): HashProblem => ({ problem: `the hash asks for more than is allowed: ${what}` })

/** Whether BetterAuth made this hash: a salt and 64 bytes of scrypt's, in hexadecimal. */
export function isOwnHash(hash: string): boolean {
  return /^[^:$]{1,128}:[\da-f]{128}$/.test(hash)
}

/**
 * Takes a hash of bcrypt, Argon2, scrypt or PBKDF2 apart, in its standard string or in Django's. Bounds come first: what
 * is returned can be verified in bounded time and memory, whoever wrote it.
 */
export function readImportedHash(hash: string): ImportedHash | HashProblem {
  if (hash.length > longestHash) return unknownForm
  for (const read of [readBcrypt, readArgon2, readScrypt, readPbkdf2]) {
    const found = read(hash)
    if (found !== undefined) return found
  }
  return unknownForm
}

// `$2b$12$…` and, by Django, `bcrypt$$2b$12$…` and `bcrypt_sha256$$2b$12$…`. `$2x$` marks hashes of a faulty bcrypt.
function readBcrypt(hash: string): ImportedHash | HashProblem | undefined {
  const parts = /^(bcrypt\$|bcrypt_sha256\$)?(\$2[aby]\$(\d\d)\$[./A-Za-z\d]{53})$/.exec(hash)
  if (parts === null) return undefined
  const [, wrapping, encoded = '', digits] = parts
  const cost = Number(digits)
  if (cost > hashBounds.bcryptCost) return outOfBounds(`bcrypt's cost is over ${hashBounds.bcryptCost}`)
  return cost < 4 ? unknownForm : { kind: 'bcrypt', encoded, cost, prehashed: wrapping === 'bcrypt_sha256$' }
}

// `$argon2id$v=19$m=65536,t=3,p=4$salt$key`, and the same behind Django's `argon2`.
function readArgon2(hash: string): ImportedHash | HashProblem | undefined {
  const form =
    /^(?:argon2)?\$(argon2id|argon2i)\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,10})\$([A-Za-z\d+/]+)\$([A-Za-z\d+/]+)$/
  const parts = form.exec(hash)
  if (parts === null) return undefined
  const [, type, memory, passes, lanes, salt = '', key = ''] = parts
  const read = {
    kind: 'argon2',
    type: type === 'argon2id' ? type : 'argon2i',
    memoryKib: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
    salt: fromBase64(salt),
    key: fromBase64(key)
  } as const
  const { argon2MemoryKib, argon2Passes } = hashBounds
  if (read.memoryKib > argon2MemoryKib) return outOfBounds(`Argon2's memory is over ${argon2MemoryKib} KiB`)
  if (read.passes > argon2Passes) return outOfBounds(`Argon2's t is over ${argon2Passes}`)
  if (read.lanes > hashBounds.lanes) return outOfBounds(`Argon2's p is over ${hashBounds.lanes}`)
  const computable = read.passes >= 1 && read.lanes >= 1 && read.memoryKib >= 8 * read.lanes
  return computable && read.salt.length >= 8 ? withFitKey(read) : unknownForm
}

// `$scrypt$ln=14,r=8,p=1$salt$key`, and Django's `scrypt$16384$salt$8$1$key`, whose salt is a text.
function readScrypt(hash: string): ImportedHash | HashProblem | undefined {
  const phc = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,10}),p=(\d{1,10})\$([A-Za-z\d+/]+)\$([A-Za-z\d+/]+)$/.exec(hash)
  const django = /^scrypt\$(\d{1,10})\$([^$]+)\$(\d{1,10})\$(\d{1,10})\$([A-Za-z\d+/]+)={0,2}$/.exec(hash)
  if (phc === null && django === null) return undefined
  const [, log, ...rest] = phc ?? []
  const [r, p, salt, key = ''] = django === null ? rest : [django[3], django[4], django[2], django[5]]
  const read = {
    kind: 'scrypt',
    cost: django === null ? 2 ** Number(log) : Number(django[1]),
    blockSize: Number(r),
    lanes: Number(p),
    salt: django === null ? fromBase64(salt ?? '') : Buffer.from(salt ?? ''),
    key: fromBase64(key)
  } as const
  const { scryptBytes, lanes } = hashBounds
  // It needs one block for each step of the cost, and one for each lane (RFC 7914, section 6).
  if (128 * read.blockSize * Math.max(read.cost, read.lanes) > scryptBytes)
    return outOfBounds(`scrypt's memory is over ${scryptBytes / 1024 / 1024} MiB`)
  if (read.lanes > lanes) return outOfBounds(`scrypt's p is over ${lanes}`)
  const isPowerOfTwo = read.cost > 1 && Number.isInteger(Math.log2(read.cost))
  return isPowerOfTwo && read.blockSize >= 1 && read.lanes >= 1 ? withFitKey(read) : unknownForm
}

// Django's `pbkdf2_sha256$1000000$salt$key`, whose salt is a text; passlib's `$pbkdf2-sha256$29000$salt$key`, whose base64
// has "." for "+"; the PHC string `$pbkdf2-sha256$i=29000,l=32$salt$key`.
function readPbkdf2(hash: string): ImportedHash | HashProblem | undefined {
  const django = /^pbkdf2_(sha1|sha256)\$(\d{1,10})\$([^$]+)\$([A-Za-z\d+/]+)={0,2}$/.exec(hash)
  const others =
    /^\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?(\d{1,10})(?:,l=\d{1,3})?\$([A-Za-z\d+./]+)\$([A-Za-z\d+./]+)$/.exec(
      hash
    )
  const parts = django ?? others
  if (parts === null) return undefined
  const [, name = 'sha1', count, salt = '', key = ''] = parts
  const digest = name === 'sha512' || name === 'sha256' ? name : 'sha1'
  const read = {
    kind: 'pbkdf2',
    digest,
    iterations: Number(count),
    salt: django === null ? fromBase64(salt) : Buffer.from(salt),
    key: fromBase64(key)
  } as const
  const { pbkdf2Iterations } = hashBounds
  if (read.iterations > pbkdf2Iterations) return outOfBounds(`PBKDF2's iterations are over ${pbkdf2Iterations}`)
  // A key longer than the digest is computed piece by piece, each as long as the first.
  return read.iterations >= 1 && read.key.length <= digestBytes[digest] ? withFitKey(read) : unknownForm
}

function withFitKey<T extends { readonly salt: Uint8Array; readonly key: Uint8Array }>(read: T): T | HashProblem {
  const fits = read.key.length >= shortestKey && read.key.length <= longestKey
  return fits && read.salt.length >= 1 && read.salt.length <= longestSalt ? read : unknownForm
}

function fromBase64(text: string): Uint8Array {
  return Buffer.from(text.replaceAll('.', '+'), 'base64')
}

/**
 * About how many milliseconds of a slow core a hash takes to verify, in whole steps of a quarter of a second. A guess on the long side,
 * so that most verifications take less.
 */
export function longestMs(hash: ImportedHash): number {
  const step = 250
  return step * Math.ceil((step + workOf(hash)) / step)
}

function workOf(hash: ImportedHash): number {
  switch (hash.kind) {
    case 'bcrypt':
      return 2 ** hash.cost * 0.2
    case 'argon2':
      return hash.memoryKib * hash.passes * 0.004
    case 'scrypt':
      return hash.cost * hash.blockSize * hash.lanes * 0.0008
    case 'pbkdf2':
      return hash.iterations * 0.0012
  }
}
