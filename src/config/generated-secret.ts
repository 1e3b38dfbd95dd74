import { randomBytes } from 'node:crypto'
import { access, link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../db/error-code.ts'
import { ConfigError } from './environment.ts'

const minLength = 32

/**
 * The secret that signs cookies where BETTER_AUTH_SECRET is not set: made once, kept in `${dataDir}/secret` with mode
 * 0600, the same for every process that asks. Throws a ConfigError when the file cannot be made or is not safe to use.
 */
export async function loadOrCreateSecret(dataDir: string): Promise<string> {
  const path = join(dataDir, 'secret')
  try {
    await access(path).catch(() => createSecret(dataDir, path))
    return await readSecret(path)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError([
      `DATA_DIR: the generated secret cannot be kept in ${dataDir} (${codeOf(error) ?? 'unknown error'}); make it writable, or set BETTER_AUTH_SECRET`
    ])
  }
}

async function readSecret(path: string): Promise<string> {
  const { mode } = await stat(path)
  if ((mode & 0o077) !== 0)
    throw new ConfigError([
      `DATA_DIR: ${path} can be read by others, so the secret in it is no longer one: delete it (signs everyone out), or chmod 600 it if nobody did`
    ])
  const secret = (await readFile(path, 'utf8')).trimEnd()
  if (secret.length < minLength)
    throw new ConfigError([
      `DATA_DIR: ${path} holds fewer than ${minLength} characters: delete it to have it made again`
    ])
  return secret
}

// The secret is written to a file of another name, and that file is then linked: of two processes that start at once the
// second to link fails, and reads the whole secret of the first.
async function createSecret(dataDir: string, path: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomBytes(8).toString('hex')}`
  try {
    const secret = randomBytes(32).toString('base64url')
    await writeFile(draft, `${secret}\n`, { flag: 'wx', mode: 0o600, flush: true })
    await link(draft, path)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    await rm(draft, { force: true })
  }
}
