import { DatabaseBusyError } from '../errors.ts'

interface Waiter {
  enter(): void
  refuse(error: Error): void
}

/** Where one waits for a turn: so many at most, called in the order in which they came. */
export class WaitingRoom {
  readonly #most: number
  readonly #waiting = new Set<Waiter>()

  constructor(most: number) {
    this.#most = most
  }

  /** How many are waiting. */
  get size(): number {
    return this.#waiting.size
  }

  /**
   * Resolves when called, however late where `patienceMs` is undefined. Rejects with `DATABASE_BUSY` where too many wait
   * already or the wait has been too long, and with what everybody is turned away with.
   */
  async wait(patienceMs?: number): Promise<void> {
    if (this.#waiting.size >= this.#most) throw new DatabaseBusyError()
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer)
        this.#waiting.delete(waiter)
      }
      const waiter: Waiter = {
        enter() {
          leave()
          resolve()
        },
        refuse(error) {
          leave()
          reject(error)
        }
      }
      const timer =
        patienceMs === undefined ? undefined : setTimeout(() => waiter.refuse(new DatabaseBusyError()), patienceMs)
      this.#waiting.add(waiter)
    })
  }

  /** Calls whoever waits for longest, who has left when this returns; false where nobody waits. */
  call(): boolean {
    const [waiter] = this.#waiting
    waiter?.enter()
    return waiter !== undefined
  }

  /** Turns everybody away who waits. */
  dismiss(error: Error): void {
    for (const waiter of this.#waiting) waiter.refuse(error)
  }
}
