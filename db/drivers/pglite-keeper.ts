import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseAwayError } from '../errors.ts'
import { Line } from './line.ts'
import type { LendDatabase } from './pglite-client.ts'
import { PgliteThread } from './pglite-thread.ts'
import { within } from './within.ts'

export interface PgliteKeeperOptions {
  /** Of the database itself; nobody else may use it. */
  readonly directory: string
  readonly waitingMax: number
  readonly onAway: ((away: boolean) => void) | undefined
}

/** Undefined: as long as it takes, in ms. */
export interface PgliteLimits {
  readonly patienceMs: number | undefined
  readonly statementTimeoutMs: number | undefined
}

/** A thread, and those who wait for it: whoever still holds one that was lost keeps nobody from the next. */
interface Resident {
  readonly thread: PgliteThread
  readonly line: Line
}

interface Listener {
  readonly channel: string
  readonly onNotify: (payload: string) => void
  readonly onLost: (error: Error) => void
}

const goodbyeMs = 1_500
const pauseMs = 500

/** The embedded database in its thread, and in another one soon after that was lost; everybody is turned away meanwhile. */
export class PgliteKeeper {
  readonly #options: PgliteKeeperOptions
  readonly #listeners = new Set<Listener>()
  #resident: Resident | undefined
  readonly #calledOff = new AbortController()
  #reopening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  private constructor(options: PgliteKeeperOptions) {
    this.#options = options
  }

  /** Rejects with what PGlite says. */
  static async open(options: PgliteKeeperOptions): Promise<PgliteKeeper> {
    const keeper = new PgliteKeeper(options)
    keeper.#resident = await keeper.#open()
    return keeper
  }

  /**
   * Lends the database within these limits. Rejects with `DATABASE_AWAY` while there is no thread and
   * `DATABASE_BUSY` where the turn did not come in time.
   */
  lender({ patienceMs, statementTimeoutMs }: PgliteLimits): LendDatabase {
    return async (work) => {
      const resident = this.#resident
      if (resident === undefined) throw new DatabaseAwayError()
      const { thread, line } = resident
      const leave = await line.enter(patienceMs)
      try {
        return await work(
          (sql, params = [], { rowMode = 'object', parsers = {} } = {}) =>
            thread.query({ sql, params, rowMode, asText: Object.keys(parsers).map(Number) }, statementTimeoutMs),
          (error) => thread.abandon(error)
        )
      } finally {
        leave()
      }
    }
  }

  /** Hears a channel until it is stopped or lost. Rejects when it cannot start listening. */
  async listen(lend: LendDatabase, listener: Listener): Promise<() => Promise<void>> {
    const name = `"${listener.channel.replaceAll('"', '""')}"`
    const own = { ...listener }
    await lend(async (run) => {
      await run(`listen ${name}`)
      this.#listeners.add(own)
    })
    return async () => {
      if (!this.#listeners.delete(own)) return
      if ([...this.#listeners].some(({ channel }) => channel === own.channel)) return
      await lend((run) => run(`unlisten ${name}`)).catch(() => {})
    }
  }

  /** Within a few seconds, whatever is running. May be called again. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#listeners.clear()
      this.#calledOff.abort()
      await this.#reopening
      const resident = this.#resident
      if (resident === undefined) return
      await within(goodbyeMs, resident.line.close(), 'somebody stayed').catch(() => {})
      await resident.thread.close(goodbyeMs)
    })()
    return this.#closing
  }

  async #open(): Promise<Resident> {
    const line = new Line(this.#options.waitingMax)
    const thread: PgliteThread = await PgliteThread.open(
      {
        directory: this.#options.directory,
        onNotification: (channel, payload) => {
          for (const listener of this.#listeners) if (listener.channel === channel) listener.onNotify(payload)
        },
        onLost: (error) => this.#lost({ thread, line }, error)
      },
      this.#calledOff.signal
    )
    return { thread, line }
  }

  #lost({ thread, line }: Resident, error: Error): void {
    this.#resident = undefined
    void line.close()
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    this.#reopening = this.#reopen(thread)
    this.#options.onAway?.(true)
    for (const { onLost } of listeners) onLost(error)
  }

  async #reopen(last: PgliteThread): Promise<void> {
    // Two at once would ruin the files.
    await last.gone
    const { signal } = this.#calledOff
    while (!signal.aborted) {
      try {
        this.#resident = await this.#open()
        if (!signal.aborted) this.#options.onAway?.(false)
        return
      } catch {
        await sleep(pauseMs, undefined, { ref: false, signal }).catch(() => {})
      }
    }
  }
}
