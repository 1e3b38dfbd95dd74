import type { Worker } from 'node:cluster'
import { z } from 'zod'
import type { Counters } from '../../auth/rate-limit-counters.ts'
import type { Failure } from '../exit-status.ts'
import type { ReadinessReport } from '../server/admin-server.ts'
import type { DrainOptions } from '../server/drain.ts'

/** Where a gateway's public listener is reached. */
export interface PublicAddress {
  readonly publicUrl: string
  readonly port: number
}

/** What the primary tells a worker that joins. */
export interface WorkerSettings {
  /** How many workers the gateway has. */
  readonly workers: number
  readonly adminUrl: string
  /** Where the other workers serve already, so that this one serves there too; undefined while the gateway starts. */
  readonly serving?: PublicAddress | undefined
}

/** What a gateway process shares with the other workers of the same gateway. */
export interface WorkerContext extends WorkerSettings {
  /** Rate limits' counters, in the primary's memory. */
  readonly counters: Counters
  /** Tells the other workers of a session or a user that changed, in the format of session events. */
  publishSessionEvent(event: string): void
  /** Sets what is called with the events that other workers publish. */
  onSessionEvent(listener: (event: string) => void): void
}

/** What a worker calls in its primary. */
export interface PrimaryMethods extends Counters {
  /** The first call of every worker, made when it can be called itself. */
  join(): WorkerSettings
  /** The worker's public listener is up. */
  ready(address: PublicAddress): void
  sessionEvent(event: string): void
  /** The worker cannot start or go on, for a reason that a replacement would meet as well. */
  failed(failure: Failure): void
  /** An uncaught error: the worker finishes the requests in flight and exits. */
  crashed(): void
}

/** What a primary calls in its workers. */
export interface WorkerMethods {
  readiness(): Promise<ReadinessReport>
  sessionEvent(event: string): void
  /** Has the worker drain and exit, even while it is starting. */
  drain(options: DrainOptions): void
}

type Methods<M> = { readonly [K in keyof M]: (...params: never[]) => unknown }

const messageSchema = z.union([
  z.object({ method: z.string(), params: z.array(z.unknown()), id: z.number().optional() }),
  z.object({ reply: z.number(), result: z.unknown().optional() })
])

/**
 * One end of the IPC channel between a primary and a worker. Each end calls the `Remote` methods of the other and serves
 * the `Local` ones. Both ends run the same code, so the parameters of a message are not checked, only its form: an
 * operator's policy file may send messages of its own.
 */
export class WorkerChannel<Local extends Methods<Local>, Remote extends Methods<Remote>> {
  readonly #worker: Worker
  readonly #timeoutMs: number
  readonly #methods: Local
  readonly #pending = new Map<number, (result: unknown) => void>()
  #lastId = 0

  constructor(worker: Worker, timeoutMs: number, methods: Local) {
    this.#worker = worker
    this.#timeoutMs = timeoutMs
    this.#methods = methods
    worker.on('message', (sent: unknown) => {
      const { data: message } = messageSchema.safeParse(sent)
      if (message === undefined) return
      if ('reply' in message) this.#pending.get(message.reply)?.(message.result)
      // A method that fails sends no reply, so that its caller runs into the timeout.
      else this.#serve(message.method, message.params, message.id).catch(() => {})
    })
  }

  /** Calls a method of the other end and resolves to what it returns. Rejects when no reply comes in time. */
  call<K extends keyof Remote & string>(
    method: K,
    ...params: Parameters<Remote[K]>
  ): Promise<Awaited<ReturnType<Remote[K]>>> {
    this.#lastId++
    const id = this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id)
        reject(new Error('another process of this gateway does not answer'))
      }, this.#timeoutMs)
      timer.unref()
      this.#pending.set(id, (result) => {
        this.#pending.delete(id)
        clearTimeout(timer)
        // `Remote` is the `Local` of the other end, so the reply is of this type.
        resolve(result as Awaited<ReturnType<Remote[K]>>)
      })
      this.#send({ method, params, id })
    })
  }

  /** Calls a method whose result is not needed. Resolves when the call was sent, or could not be. */
  notify<K extends keyof Remote & string>(method: K, ...params: Parameters<Remote[K]>): Promise<void> {
    return this.#send({ method, params })
  }

  async #serve(name: string, params: readonly unknown[], id: number | undefined): Promise<void> {
    if (!Object.hasOwn(this.#methods, name)) return
    const method = this.#methods[name as keyof Local]
    // The types of `call` and `notify` have held the parameters against this method.
    const result = await method(...(params as never[]))
    if (id !== undefined) await this.#send({ reply: id, result })
  }

  #send(message: z.input<typeof messageSchema>): Promise<void> {
    return new Promise((resolve) => {
      if (this.#worker.isConnected()) this.#worker.send(message, () => resolve())
      else resolve()
    })
  }
}
