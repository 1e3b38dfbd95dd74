import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DataDirLockedError, DataDirUnwritableError } from '../database-errors.ts'
import { codeOf } from '../error-code.ts'

// How many bytes the path of a Unix socket may have on every system (108 on Linux, 104 on macOS).
const longestAddress = 100
const patienceMs = 3_000
const answerWithinMs = 1_000
const shortPlaces = join(tmpdir(), 'gatehouse-lock-')
const name = /^lock-[0-9a-f]{12}$/

/**
 * Locks a directory, making it (mode 0700) where it is missing.
 *
 * Each process listens on a Unix socket of its own in the directory and then connects to all the others. The later of two
 * sees the earlier one's socket, so they can never both believe that they are alone. The kernel closes the socket of a
 * process that died, however it died, and a socket that refuses connections is removed. Of two that start at once, the
 * one whose socket has the smaller name goes on. The lock holds until it is released, or the process ends in whatever
 * way. Throws `DATA_DIR_LOCKED`, `DATA_DIR_UNWRITABLE`.
 */
export async function lockDirectory(directory: string): Promise<{ release(): Promise<void> }> {
  const own = `lock-${randomBytes(6).toString('hex')}`
  let state: 'held' | 'starting' = 'starting'
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(state)
  })
  // Where no descriptor is left to accept a connection with, the error must not end this process.
  server.on('error', () => {})

  const place = await bindIn(directory, own, server)
  const release = async () => {
    await rm(join(place, own), { force: true })
    await new Promise<void>((done) => server.close(() => done()))
    // The short directory beside a long one goes with its last lock; `directory` itself holds the database.
    if (place.startsWith(shortPlaces)) await rmdir(place).catch(() => {})
  }
  try {
    await waitUntilAlone(place, own, directory)
  } catch (error) {
    await release()
    throw error
  }
  state = 'held'
  server.unref()
  return { release }
}

async function bindIn(directory: string, own: string, server: Server, attempts = 3): Promise<string> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const place = await placeOf(directory)
    // A socket that is bound and does not listen yet refuses connections, as a dead one does. So only a socket that
    // listens gets the name that others look for.
    const unannounced = join(place, `new-${own}`)
    await new Promise<void>((done, fail) => {
      server.once('error', fail)
      server.listen(unannounced, () => done())
    })
    await rename(unannounced, join(place, own))
    return place
  } catch (error) {
    server.close()
    const code = codeOf(error) ?? 'unknown'
    // The last holder of a short directory removes it, perhaps between our making it and binding in it.
    if (code === 'ENOENT' && attempts > 1) return await bindIn(directory, own, server, attempts - 1)
    throw new DataDirUnwritableError(directory, code, { cause: error })
  }
}

// Where the path is too long for a socket, a directory with a short path, the same for every process, holds the sockets.
async function placeOf(directory: string): Promise<string> {
  const real = await realpath(directory)
  if (Buffer.byteLength(join(real, 'new-lock-000000000000')) <= longestAddress) return real
  const short = `${shortPlaces}${createHash('sha256').update(real).digest('hex').slice(0, 16)}`
  await mkdir(short, { recursive: true, mode: 0o700 })
  return short
}

async function waitUntilAlone(place: string, own: string, directory: string): Promise<void> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const others = (await readdir(place)).filter((file) => name.test(file) && file !== own)
    const answers = await Promise.all(
      others.map(async (file) => ({ file, answer: await askHolder(join(place, file)) }))
    )
    let waiting = false
    for (const { file, answer } of answers) {
      if (answer === 'gone') await rm(join(place, file), { force: true })
      else if (answer === 'held' || (answer === 'starting' && file < own) || Date.now() > deadline) {
        throw new DataDirLockedError(directory)
      } else waiting = true
    }
    if (!waiting) return
    await new Promise((resume) => setTimeout(resume, 20))
  }
}

/** What the process behind a socket says: `held` or `starting`; `gone` where nobody listens. */
function askHolder(path: string): Promise<string> {
  return new Promise((resolve) => {
    let said = ''
    const socket = connect(path)
    // A process that accepts and says nothing (stopped, busy) holds the directory. One that hangs up is ending.
    socket.setTimeout(answerWithinMs, () => {
      said = 'held'
      socket.destroy()
    })
    socket.on('data', (chunk) => {
      said += chunk.toString()
    })
    socket.on('error', (error) => {
      if (codeOf(error) === 'ECONNREFUSED' || codeOf(error) === 'ENOENT') said = 'gone'
    })
    socket.on('close', () => resolve(said))
  })
}
