import { createHash, pbkdf2, scrypt, timingSafeEqual } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { hashPassword, verifyPassword } from 'better-auth/crypto'
import { hashBounds, type ImportedHash, isOwnHash, readImportedHash } from './imported-hash.ts'

/** What a thread computes, in WebAssembly: Node.js has no bcrypt, and Argon2 only since 24.7. */
export type ThreadTask =
  | { readonly kind: 'bcrypt'; readonly encoded: string; readonly password: Uint8Array }
  | (Extract<ImportedHash, { kind: 'argon2' }> & { readonly password: Uint8Array })

/**
 * Whether a password is the one of a stored hash, BetterAuth's own or an imported one. A hash that cannot be read, or asks
 * for more than is allowed, is that of no password, and takes as long as one of BetterAuth's. Rejects when it cannot be
 * computed.
 */
export async function verifyStoredHash({ hash, password }: { hash: string; password: string }): Promise<boolean> {
  if (isOwnHash(hash)) return verifyPassword({ hash, password })
  const imported = readImportedHash(hash)
  // An empty password is nobody's, and the WebAssembly throws at one.
  if (!('problem' in imported) && password !== '') return verifyImported(imported, Buffer.from(password))
  await hashPassword(password)
  return false
}

async function verifyImported(hash: ImportedHash, password: Buffer): Promise<boolean> {
  switch (hash.kind) {
    case 'pbkdf2':
      return timingSafeEqual(await pbkdf2Of(hash, password), hash.key)
    case 'scrypt':
      return timingSafeEqual(await scryptOf(hash, password), hash.key)
    case 'argon2':
      return inThread({ ...hash, password })
    case 'bcrypt':
      return inThread({ kind: 'bcrypt', encoded: hash.encoded, password: bcryptInput(hash.prehashed, password) })
  }
}

function pbkdf2Of(hash: Extract<ImportedHash, { kind: 'pbkdf2' }>, password: Buffer): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const { salt, iterations, key, digest } = hash
  pbkdf2(password, salt, iterations, key.length, digest, (error, made) =>
    error === null ? resolve(made) : reject(error)
  )
  return promise
}

function scryptOf(hash: Extract<ImportedHash, { kind: 'scrypt' }>, password: Buffer): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const { salt, key, cost, blockSize, lanes: parallelization } = hash
  // Twice what the bound counts: OpenSSL counts its own buffers too.
  const options = { cost, blockSize, parallelization, maxmem: 3 * hashBounds.scryptBytes }
  scrypt(password, salt, key.length, options, (error, made) => (error === null ? resolve(made) : reject(error)))
  return promise
}

/** How many bytes of a password bcrypt reads; the systems that are imported from ignore the rest. */
const bcryptBytes = 72

function bcryptInput(prehashed: boolean, password: Buffer): Uint8Array {
  return prehashed
    ? Buffer.from(createHash('sha256').update(password).digest('hex'))
    : password.subarray(0, bcryptBytes)
}

/**
 * Computes in a thread of its own, so that no request waits for it in the event loop. WebAssembly never gives memory back;
 * what a thread took goes with it.
 */
async function inThread(task: ThreadTask): Promise<boolean> {
  // Without this process's environment and flags: the thread needs none of the secrets in there, and no loader.
  const worker = new Worker(new URL('./password-hash-thread.ts', import.meta.url), {
    workerData: task,
    execArgv: [],
    env: {}
  })
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  worker.once('message', (right: unknown) => resolve(right === true))
  worker.once('error', reject)
  worker.once('exit', () => reject(new Error('the thread ended without an answer')))
  return promise.finally(() => worker.terminate())
}
