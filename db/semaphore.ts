import { AsyncLocalStorage } from 'node:async_hooks'

export interface SemaphoreOptions {
  readonly permits: number
  /** How many may wait for a permit; any number by default. */
  readonly maxWaiting?: number | undefined
  /** What is thrown where too many wait already, or a wait has been too long. */
  readonly refusal?: (() => Error) | undefined
}

/** A counting semaphore with a bounded queue, first come, first served. The number of permits may change at any time. */
export class Semaphore {
  readonly #queue = new Set<PromiseWithResolvers<void>>()
  readonly #maxWaiting: number
  readonly #refusal: () => Error
  #permits: number
  #held = 0

  constructor({ permits, maxWaiting = Number.POSITIVE_INFINITY, refusal }: SemaphoreOptions) {
    this.#permits = permits
    this.#maxWaiting = maxWaiting
    this.#refusal = refusal ?? (() => new Error('too many are waiting'))
  }

  /** How many are waiting. */
  get waiting(): number {
    return this.#queue.size
  }

  get permits(): number {
    return this.#permits
  }

  /** Permits that are held stay with their holders, even where there are fewer now. */
  set permits(permits: number) {
    this.#permits = permits
    this.#grantNext()
  }

  /**
   * Waits for a permit, as long as it takes by default. Resolves to how to give it back, which may be called again.
   * Rejects with the refusal.
   */
  async acquire(maxWaitMs = Number.POSITIVE_INFINITY): Promise<() => void> {
    if (this.#held < this.#permits && this.#queue.size === 0) this.#held++
    else if (this.#queue.size >= this.#maxWaiting) throw this.#refusal()
    else await this.#wait(maxWaitMs)
    let released = false
    return () => {
      if (released) return
      released = true
      this.#held--
      this.#grantNext()
    }
  }

  /** Rejects everybody who waits. */
  rejectWaiting(error: Error): void {
    for (const waiter of this.#queue) waiter.reject(error)
    this.#queue.clear()
  }

  async #wait(maxWaitMs: number): Promise<void> {
    const waiter = Promise.withResolvers<void>()
    this.#queue.add(waiter)
    const tooLate = () => {
      if (this.#queue.delete(waiter)) waiter.reject(this.#refusal())
    }
    const timer = Number.isFinite(maxWaitMs) ? setTimeout(tooLate, maxWaitMs) : undefined
    await waiter.promise.finally(() => clearTimeout(timer))
  }

  // The permit is taken before the waiter runs: whoever asks in between would jump the queue.
  #grantNext(): void {
    for (const waiter of this.#queue) {
      if (this.#held >= this.#permits) return
      this.#held++
      this.#queue.delete(waiter)
      waiter.resolve()
    }
  }
}

/** Runs work once a permit is free. Resolves and rejects as the work does. */
export type ConcurrencyLimit = <T>(work: () => Promise<T>) => Promise<T>

/** Runs work under a semaphore of its own. Work that is running and asks for more to be run goes on with the permit it has. */
export function createConcurrencyLimit(options: SemaphoreOptions): ConcurrencyLimit {
  const semaphore = new Semaphore(options)
  const holding = new AsyncLocalStorage<true>()
  return async function runLimited(work) {
    if (holding.getStore() === true) return work()
    const release = await semaphore.acquire()
    try {
      return await holding.run(true, work)
    } finally {
      release()
    }
  }
}
