import type { Worker } from 'node:cluster'
import { z } from 'zod'
import type { Counters } from '../../auth/rate-limit-counters.ts'
import type { Failure } from '../exit-status.ts'
import type { ReadinessReport } from '../server/admin-server.ts'
import type { DrainOptions } from '../server/drain.ts'
import type { Team } from '../team.ts'

const id = z.number()
const allowance = z.object({ points: z.number(), seconds: z.number() })

/** What a worker says to its primary. `id` belongs to a question that is answered under the same `id`. */
export const fromWorker = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('join'), id }),
  z.object({ kind: z.literal('take'), id, allowance, key: z.string() }),
  z.object({ kind: z.literal('give back'), id, allowance, key: z.string() }),
  z.object({ kind: z.literal('report'), id, ready: z.boolean(), degraded: z.array(z.string()) }),
  z.object({ kind: z.literal('ready'), publicUrl: z.string(), port: z.number() }),
  z.object({ kind: z.literal('changed'), event: z.string() }),
  /** It will end, or has to be ended, for a reason that no second try would mend. */
  z.object({ kind: z.literal('failed'), lines: z.array(z.string()), exitCode: z.literal([1, 2]) }),
  /** It crashed, and only finishes what is in flight. */
  z.object({ kind: z.literal('leaving') })
])

/** What the primary says to a worker. */
export const fromPrimary = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('welcome'),
    id,
    size: z.number(),
    adminUrl: z.string(),
    served: z.object({ publicUrl: z.string(), port: z.number() }).optional()
  }),
  z.object({ kind: z.literal('taken'), id, wait: z.number().nullable() }),
  z.object({ kind: z.literal('given back'), id }),
  z.object({ kind: z.literal('how are you'), id }),
  z.object({ kind: z.literal('changed'), event: z.string() }),
  z.object({ kind: z.literal('drain'), delayMs: z.number(), timeoutMs: z.number() })
])

export type FromWorker = z.output<typeof fromWorker>
export type FromPrimary = z.output<typeof fromPrimary>

interface Asked<A> {
  readonly resolve: (answer: A) => void
  readonly timer: NodeJS.Timeout
}

/** Questions to another process and the answers that came back, matched by their ids. */
export class Questions<A extends { readonly id: number }> {
  readonly #asked = new Map<number, Asked<A>>()
  readonly #withinMs: number
  #last = 0

  constructor(withinMs: number) {
    this.#withinMs = withinMs
  }

  /** `send` is given the id to ask under. Rejects when no answer comes in time. */
  ask(send: (id: number) => void): Promise<A> {
    this.#last++
    const id = this.#last
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#asked.delete(id)
        reject(new Error('another process of this gateway does not answer'))
      }, this.#withinMs)
      timer.unref()
      this.#asked.set(id, { resolve, timer })
      send(id)
    })
  }

  answered(answer: A): void {
    const asked = this.#asked.get(answer.id)
    if (asked === undefined) return
    this.#asked.delete(answer.id)
    clearTimeout(asked.timer)
    asked.resolve(answer)
  }
}

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

type Reply = Extract<FromPrimary, { id: number }>

// The primary does little else than answer.
const answerWithinMs = 5_000

/** A worker's side of the talk with its primary. */
export interface Membership {
  /** Rejects when the primary does not answer. */
  join(): Promise<Team>
  ready(publicUrl: string, port: number): void
  /** Resolves when it has been said. */
  failed(failure: Failure): Promise<void>
  /** Another worker may take this one's place. */
  leaving(): void
  onDrain(listener: (options: DrainOptions) => void): void
}

/** Opens it, in a worker's process. */
export function createMembership(worker: Worker): Membership {
  const questions = new Questions<Reply>(answerWithinMs)
  const listeners: ((event: string) => void)[] = []
  let drain: (options: DrainOptions) => void = () => {}
  let report = async (): Promise<ReadinessReport> => ({ ready: false, degraded: [] })

  // A primary that is gone takes this process with it; there is nobody to tell that a message was lost.
  const say = (message: FromWorker) =>
    new Promise<void>((resolve) => {
      worker.send(message, () => resolve())
    })

  worker.on('message', (sent: unknown) => {
    const read = fromPrimary.safeParse(sent)
    if (!read.success) return
    const message = read.data
    if (message.kind === 'changed') for (const listener of listeners) listener(message.event)
    else if (message.kind === 'drain') drain(message)
    else if (message.kind === 'how are you')
      void report().then(({ ready, degraded }) =>
        say({ kind: 'report', id: message.id, ready, degraded: [...degraded] })
      )
    else questions.answered(message)
  })

  return {
    async join() {
      const welcome = await questions.ask((id) => say({ kind: 'join', id }))
      if (welcome.kind !== 'welcome') throw new Error('the primary answers something else')
      const { size, adminUrl, served } = welcome
      return {
        size,
        adminUrl,
        served,
        counters: {
          async take(allowance, key) {
            const answer = await questions.ask((id) => say({ kind: 'take', id, allowance, key }))
            if (answer.kind !== 'taken') throw new Error('the primary answers something else')
            return answer.wait
          },
          async giveBack(allowance, key) {
            await questions.ask((id) => say({ kind: 'give back', id, allowance, key }))
          }
        },
        tell: (event) => void say({ kind: 'changed', event }),
        onTold: (listener) => void listeners.push(listener),
        reportWith(answer) {
          report = answer
        }
      }
    },
    ready: (publicUrl, port) => void say({ kind: 'ready', publicUrl, port }),
    failed: ({ lines, exitCode }) => say({ kind: 'failed', lines: [...lines], exitCode }),
    leaving: () => void say({ kind: 'leaving' }),
    onDrain(listener) {
      drain = listener
    }
  }
}
