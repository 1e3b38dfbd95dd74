import { DatabaseAwayError, DatabaseBusyError } from '../errors.ts'

interface Waiter {
  enter(): void
  refuse(error: Error): void
}

/** One at a time, the others wait in the order in which they came: so many of them, and each for so long. */
export class Line {
  readonly #waitingMax: number
  readonly #waiting = new Set<Waiter>()
  #busy = false
  #closed = false
  #onEmpty = () => {}

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax
  }

  /**
   * Waits for the turn, for ever where `patienceMs` is undefined; answers how to give it back, which may be called
   * again. Rejects with `DATABASE_BUSY` where too many wait already or the wait has been too long, and with
   * `DATABASE_AWAY` when the line is closed.
   */
  async enter(patienceMs?: number): Promise<() => void> {
    if (this.#closed) throw new DatabaseAwayError()
    if (this.#busy) await this.#wait(patienceMs)
    this.#busy = true
    let left = false
    return () => {
      if (left) return
      left = true
      this.#next()
    }
  }

  /** Turns everybody away who waits or will come. Resolves when nobody is left inside. */
  close(): Promise<void> {
    this.#closed = true
    for (const waiter of this.#waiting) waiter.refuse(new DatabaseAwayError())
    if (!this.#busy) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onEmpty = resolve
    })
  }

  #wait(patienceMs: number | undefined): Promise<void> {
    if (this.#waiting.size >= this.#waitingMax) throw new DatabaseBusyError()
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer)
        this.#waiting.delete(waiter)
      }
      const waiter: Waiter = {
        enter: () => {
          leave()
          resolve()
        },
        refuse: (error) => {
          leave()
          reject(error)
        }
      }
      const timer =
        patienceMs === undefined ? undefined : setTimeout(() => waiter.refuse(new DatabaseBusyError()), patienceMs)
      this.#waiting.add(waiter)
    })
  }

  // Handed on rather than freed: whoever came in between would jump the queue.
  #next(): void {
    const [waiter] = this.#waiting
    if (waiter === undefined) {
      this.#busy = false
      this.#onEmpty()
    } else waiter.enter()
  }
}
