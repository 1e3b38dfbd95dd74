import type { Worker } from 'node:cluster'
import type { Counters } from '../../auth/counters.ts'
import type { DrainOptions } from '../drain.ts'
import type { Failure } from '../failure.ts'
import type { ReadinessReport } from '../readiness.ts'
import { type FromPrimary, type FromWorker, fromWorker } from './messages.ts'
import { Questions } from './questions.ts'

/** What becomes of a worker, as its primary hears it. */
export interface MemberEvents {
  welcome(): Omit<Extract<FromPrimary, { kind: 'welcome' }>, 'kind' | 'id'>
  ready(served: { readonly publicUrl: string; readonly port: number }): void
  /** A session or a user changed there. */
  changed(event: string): void
  failed(failure: Failure): void
  leaving(): void
  /** Called once, last. `status` is the exit status or the signal. */
  gone(status: number | string): void
}

// A worker takes two seconds at most to find out.
const reportWithinMs = 2_500

/** A primary's side of the talk with one worker. */
export class Member {
  readonly pid: number | undefined
  readonly #worker: Worker
  #draining: DrainOptions | undefined
  readonly #questions = new Questions<Extract<FromWorker, { kind: 'report' }>>(reportWithinMs)

  constructor(worker: Worker, counters: Counters, events: MemberEvents) {
    this.#worker = worker
    this.pid = worker.process.pid
    worker.on('message', (sent: unknown) => {
      const read = fromWorker.safeParse(sent)
      if (read.success) void this.#hear(read.data, counters, events)
    })
    // A message to a worker that has just died; its exit says the rest.
    worker.on('error', () => {})
    worker.once('exit', (code: number | null, signal: string | null) => events.gone(signal ?? code ?? 1))
  }

  /** Null: it does not answer. */
  async report(): Promise<ReadinessReport | null> {
    return this.#questions.ask((id) => this.#say({ kind: 'how are you', id })).catch(() => null)
  }

  /** Tells it of a session or a user that changed elsewhere. */
  tell(event: string): void {
    this.#say({ kind: 'changed', event })
  }

  /** Has it finish and end, even while it is starting. */
  drain(options: DrainOptions): void {
    this.#draining = options
    this.#say({ kind: 'drain', ...options })
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }

  #say(message: FromPrimary): void {
    if (this.#worker.isConnected()) this.#worker.send(message, () => {})
  }

  async #hear(message: FromWorker, counters: Counters, events: MemberEvents): Promise<void> {
    switch (message.kind) {
      case 'join':
        // It has only begun to listen: what was said before is lost.
        if (this.#draining !== undefined) this.drain(this.#draining)
        return this.#say({ kind: 'welcome', id: message.id, ...events.welcome() })
      case 'take':
        return this.#say({ kind: 'taken', id: message.id, wait: await counters.take(message.allowance, message.key) })
      case 'give back':
        await counters.giveBack(message.allowance, message.key)
        return this.#say({ kind: 'given back', id: message.id })
      case 'report':
        return this.#questions.answered(message)
      case 'ready':
        return events.ready(message)
      case 'changed':
        return events.changed(message.event)
      case 'failed':
        return events.failed(message)
      case 'leaving':
        return events.leaving()
    }
  }
}
