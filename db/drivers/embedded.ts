import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Duplex } from 'node:stream'
import { Worker } from 'node:worker_threads'
import pg from 'pg'
import type { Database, DatabaseOptions } from '../database.ts'
import { StoreClient, settingsOf, unlimited } from './connection-lending.ts'
import { lockDirectory } from './directory-lock.ts'

interface Listener {
  readonly channel: string
  readonly onNotify: (payload: string) => void
  readonly onLost: (error: Error) => void
}

const goodbyeMs = 3_000

/**
 * The embedded Postgres: PGlite in a thread of this process, which node-postgres speaks to over the thread's messages. It
 * has one connection, so it runs one statement or transaction at a time. Closing the connection ends the thread, which is
 * the only way to stop a slow statement; the next connection starts another thread on the same files, as after a crash.
 * Throws `DATA_DIR_LOCKED`, `DATA_DIR_UNWRITABLE`.
 */
export async function openEmbedded(options: DatabaseOptions): Promise<Database> {
  const dataDir = resolve(options.dataDir ?? '.data')
  const directory = join(dataDir, 'postgres')
  const settings = settingsOf(options)
  const listeners = new Set<Listener>()
  let last: ThreadStream | undefined
  let client: pg.Client | undefined
  let closing: Promise<void> | undefined

  const pool = new pg.Pool({
    // Said in full, so that nothing comes from the environment.
    user: 'postgres',
    database: 'postgres',
    ssl: false,
    max: 1,
    idleTimeoutMillis: 0,
    allowExitOnIdle: true,
    stream: () => {
      last = new ThreadStream(directory, last?.gone)
      return last
    }
  })
  // A thread that ends while nobody waits for it is noticed by its client's end.
  pool.on('error', () => {})
  pool.on('connect', (connected) => {
    client = connected
    connected.on('error', () => {})
    connected.on('end', () => lose(connected))
    connected.on('notification', ({ channel, payload = '' }) => {
      for (const listener of listeners) if (listener.channel === channel) listener.onNotify(payload)
    })
  })

  function lose(lost: pg.Client): void {
    if (lost !== client) return
    client = undefined
    if (closing !== undefined) return
    store.admission.open()
    const lostListeners = [...listeners]
    listeners.clear()
    for (const { onLost } of lostListeners) onLost(new Error('the thread of the embedded database ended'))
  }

  async function connect(): Promise<void> {
    if (client === undefined) (await pool.connect()).release()
  }

  const store = new StoreClient<pg.Client>({
    ...settings,
    schema: settings.extended.schema,
    pool,
    permits: 1,
    // A thread that is busy is no reason to give the database up; one that is gone is, until another has started.
    probe: connect,
    cutConnections() {
      if (closing !== undefined) last?.destroy()
    },
    cut(slow) {
      slow.connection.stream.destroy()
      // At once, so that nobody is admitted before the next thread has started.
      lose(slow)
    },
    isSpoilt: () => false
  })

  const lock = await lockDirectory(dataDir)
  try {
    await makeDatabase(directory)
    await connect()
  } catch (error) {
    await close()
    throw error
  }

  function close(): Promise<void> {
    closing ??= (async () => {
      listeners.clear()
      await store.close(goodbyeMs)
      await last?.gone
      await lock.release()
    })()
    return closing
  }

  return {
    driver: 'pglite',
    ...settings.extended,
    db: store.db,
    patienceMs: settings.patienceMs,
    awake: () => true,
    ping: () => store.ping(),
    withDirectClient: (work) => store.lend((run) => work({ query: run, db: store.drizzleOn(run) }), unlimited),
    async listen(channel, onNotify, onLost) {
      const name = `"${channel.replaceAll('"', '""')}"`
      const listener = { channel, onNotify, onLost }
      await store.lend(async (run) => {
        await run(`listen ${name}`)
        listeners.add(listener)
      })
      return async () => {
        if (!listeners.delete(listener)) return
        if ([...listeners].some((other) => other.channel === channel)) return
        await store.lend((run) => run(`unlisten ${name}`)).catch(() => {})
      }
    },
    close
  }
}

/**
 * Makes the database where there is none. That is done in a thread of its own, since what it takes, 200 MB, is given back
 * only with the thread, and beside the directory, so that an interrupted start leaves no half of a database in it.
 */
async function makeDatabase(directory: string): Promise<void> {
  if (existsSync(join(directory, 'PG_VERSION'))) return
  const draft = existsSync(directory) ? directory : `${directory}.new`
  if (draft !== directory) await rm(draft, { recursive: true, force: true })
  const maker = new ThreadStream(draft)
  await new Promise<void>((made, fail) => {
    maker.once('connect', made)
    maker.once('error', fail)
    maker.once('close', () => fail(new Error('the thread of the embedded database ended')))
    maker.connect()
  })
  maker.end()
  await maker.gone
  if (draft !== directory) await rename(draft, directory)
}

/**
 * A connection for node-postgres whose other end is a thread with a database in it. The thread starts once the one before
 * is gone, since two at once would ruin the files, and it is gone when the connection is closed.
 */
class ThreadStream extends Duplex {
  readonly #directory: string
  readonly #before: Promise<void>
  readonly #gone = Promise.withResolvers<void>()
  #worker: Worker | undefined
  #unreferenced = false

  constructor(directory: string, before = Promise.resolve()) {
    super()
    this.#directory = directory
    this.#before = before
  }

  /** Resolves once the thread is no more. */
  get gone(): Promise<void> {
    return this.#gone.promise
  }

  connect(): this {
    void this.#before.then(() => {
      if (this.destroyed || this.writableEnded) this.#gone.resolve()
      else this.#start()
    })
    return this
  }

  #start(): void {
    // Without this process's environment and flags: the thread needs none of the secrets in there, and no loader.
    const worker = new Worker(new URL('./embedded-thread.ts', import.meta.url), {
      workerData: this.#directory,
      execArgv: [],
      env: {},
      // What it makes is handed on at once: a young generation of the usual size only adds 45 MB to the process.
      resourceLimits: { maxYoungGenerationSizeMb: 2 }
    })
    this.#worker = worker
    if (this.#unreferenced) worker.unref()
    worker.on('message', (message: 'ready' | Uint8Array) => {
      if (message === 'ready') this.emit('connect')
      else this.push(Buffer.from(message.buffer, message.byteOffset, message.byteLength))
    })
    worker.on('error', (error) => this.destroy(error instanceof Error ? error : new Error('the thread failed')))
    worker.on('exit', () => {
      this.#gone.resolve()
      this.destroy()
    })
  }

  override _read(): void {}

  // What is written together, such as parse, bind and execute, is run together. Copied, since a message between threads
  // takes along the whole of the memory that its bytes are a part of.
  override _writev(chunks: { chunk: Buffer }[], callback: () => void): void {
    this.#worker?.postMessage(new Uint8Array(Buffer.concat(chunks.map(({ chunk }) => chunk))))
    callback()
  }

  override _final(callback: () => void): void {
    // A thread that is about to end is waited for.
    this.#worker?.ref()
    this.#worker?.postMessage('close')
    if (this.#worker === undefined) callback()
    else void this.gone.then(callback)
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#worker?.ref()
    if (this.#worker === undefined) callback(error)
    else void this.#worker.terminate().then(() => callback(error))
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    this.#unreferenced = false
    this.#worker?.ref()
    return this
  }

  unref(): this {
    this.#unreferenced = true
    this.#worker?.unref()
    return this
  }
}
