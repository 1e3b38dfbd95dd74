import { randomBytes } from 'node:crypto'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../db/narrowing.ts'
import { ConfigError } from './config.ts'

const minLength = 32

/**
 * The secret that signs cookies where BETTER_AUTH_SECRET is not set: made once, kept in `${dataDir}/secret` with mode
 * 0600, the same for every process that asks. Throws a ConfigError when the file cannot be made or is not safe to use.
 */
export async function loadOrCreateSecret(dataDir: string): Promise<string> {
  const file = join(dataDir, 'secret')
  try {
    return (await readSecret(file)) ?? (await createSecret(dataDir, file))
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError([
      `DATA_DIR: the generated secret cannot be kept in ${dataDir} (${codeOf(error) ?? 'unknown error'}); make it writable, or set BETTER_AUTH_SECRET`
    ])
  }
}

async function readSecret(path: string): Promise<string | null> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
  try {
    const { mode } = await file.stat()
    if ((mode & 0o077) !== 0)
      throw new ConfigError([
        `DATA_DIR: ${path} can be read by others, so the secret in it is no longer one: delete it (signs everyone out), or chmod 600 it if nobody did`
      ])
    const secret = (await file.readFile('utf8')).trimEnd()
    if (secret.length < minLength)
      throw new ConfigError([
        `DATA_DIR: ${path} holds fewer than ${minLength} characters: delete it to have it made again`
      ])
    return secret
  } finally {
    await file.close()
  }
}

// Written whole under another name and then linked: of two processes that start at once one wins, and the other reads
// what the winner wrote, never half of it.
async function createSecret(dataDir: string, path: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const secret = randomBytes(32).toString('base64url')
  const draft = `${path}.${randomBytes(8).toString('hex')}`
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(`${secret}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(draft, path)
    return secret
  } catch (error) {
    const winner = codeOf(error) === 'EEXIST' ? await readSecret(path) : null
    if (winner === null) throw error
    return winner
  } finally {
    await unlink(draft).catch(() => {})
  }
}
