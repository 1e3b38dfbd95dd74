import { Worker } from 'node:worker_threads'
import type {
  CloseMessage,
  StatementFailure,
  StatementMessage,
  StatementResult,
  ThreadMessage
} from './pglite-messages.ts'
import { within } from './within.ts'

export interface PgliteThreadOptions {
  /** Of the database itself. */
  readonly directory: string
  readonly onNotification: (channel: string, payload: string) => void
  /** Called at most once, when the thread ends without having been closed; all its statements have rejected then. */
  readonly onLost: (error: Error) => void
}

interface Pending {
  resolve(result: StatementResult): void
  reject(error: Error): void
}

/** A statement that the embedded Postgres, or PGlite before it, refused. */
export class PgliteStatementError extends Error {
  readonly code: string | undefined
  readonly constraint: string | undefined
  readonly table: string | undefined
  readonly column: string | undefined

  constructor({ message, code, constraint, table, column }: StatementFailure) {
    super(message)
    this.code = code
    this.constraint = constraint
    this.table = table
    this.column = column
  }
}

/** One life of the thread that owns the embedded database. It keeps no process from ending but while it is asked. */
export class PgliteThread {
  readonly #worker: Worker
  readonly #options: PgliteThreadOptions
  readonly #pending = new Map<number, Pending>()
  readonly #gone: Promise<void>
  #nextId = 0
  #state: 'open' | 'closing' | 'lost' = 'open'
  #onClosed = () => {}

  private constructor(worker: Worker, options: PgliteThreadOptions) {
    this.#worker = worker
    this.#options = options
    this.#gone = new Promise((resolve) => worker.once('exit', () => resolve()))
    worker.on('message', (message: ThreadMessage) => this.#hear(message))
    worker.on('messageerror', (error) => this.#lose(error))
    worker.on('error', (error) => this.#lose(asError(error)))
    worker.on('exit', () => this.#lose(new Error('the thread of the embedded database ended')))
    worker.unref()
  }

  /**
   * Opens the database in a thread of its own. Rejects with what PGlite says, or when it is called off; the thread is
   * gone then.
   */
  static async open(options: PgliteThreadOptions, calledOff: AbortSignal): Promise<PgliteThread> {
    // Without this process' environment and flags: it needs none of the secrets in there, and no loader.
    const worker = new Worker(new URL('./pglite-worker.ts', import.meta.url), {
      workerData: options.directory,
      execArgv: [],
      env: {},
      // What it makes is handed on at once: a young generation of the usual size only adds 40 MB to the process.
      resourceLimits: { maxYoungGenerationSizeMb: 8 }
    })
    const end = () => void worker.terminate()
    calledOff.addEventListener('abort', end)
    try {
      await new Promise<void>((resolve, reject) => {
        worker.once('message', () => resolve())
        worker.once('error', (error) => reject(asError(error)))
        worker.once('exit', () => reject(new Error('the thread of the embedded database ended while it was opened')))
      })
      return new PgliteThread(worker, options)
    } catch (error) {
      await worker.terminate()
      throw error
    } finally {
      calledOff.removeEventListener('abort', end)
    }
  }

  /** Resolves once the thread is no more. */
  get gone(): Promise<void> {
    return this.#gone
  }

  /**
   * Statements are answered in their order. One that takes longer than `timeoutMs` costs the thread its life: nothing
   * else stops it. Rejects with {@link PgliteStatementError}, or with another error when the thread is lost.
   */
  async query(statement: Omit<StatementMessage, 'id'>, timeoutMs?: number): Promise<StatementResult> {
    if (this.#state !== 'open') throw new Error('the embedded database is not open')
    const id = this.#nextId++
    const answer = new Promise<StatementResult>((resolve, reject) => this.#pending.set(id, { resolve, reject }))
    try {
      this.#post({ ...statement, id })
      this.#worker.ref()
      if (timeoutMs === undefined) return await answer
      return await within(timeoutMs, answer, 'the statement took too long').catch((error: unknown) => {
        if (this.#pending.has(id)) this.abandon(asError(error))
        throw error
      })
    } finally {
      this.#pending.delete(id)
      // A thread that is to end is waited for.
      if (this.#pending.size === 0 && this.#state === 'open') this.#worker.unref()
    }
  }

  /** Closes the database and ends the thread, within `ms` whatever it does. Never rejects. */
  async close(ms: number): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing'
      const closed = new Promise<void>((resolve) => {
        this.#onClosed = resolve
      })
      this.#worker.ref()
      this.#post({ close: true })
      await within(ms, Promise.race([closed, this.#gone]), 'the embedded database did not close').catch(() => {})
    }
    await this.#worker.terminate()
  }

  /** Ends the thread in the midst of whatever it does. */
  abandon(error: Error): void {
    this.#lose(error)
  }

  #post(message: StatementMessage | CloseMessage): void {
    this.#worker.postMessage(message)
  }

  #hear(message: ThreadMessage): void {
    if (message.kind === 'result') this.#take(message.id)?.resolve(message.result)
    else if (message.kind === 'failure') this.#take(message.id)?.reject(new PgliteStatementError(message.failure))
    else if (message.kind === 'notification') this.#options.onNotification(message.channel, message.payload)
    else if (message.kind === 'closed') this.#onClosed()
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }

  #lose(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
    if (this.#state !== 'open') return
    this.#state = 'lost'
    void this.#worker.terminate()
    this.#options.onLost(error)
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('the thread of the embedded database failed', { cause: error })
}
