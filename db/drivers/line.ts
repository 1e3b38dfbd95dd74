import { DatabaseAwayError } from '../errors.ts'
import { WaitingRoom } from './waiting-room.ts'

/** One at a time, the others wait in the order in which they came: so many of them, and each for so long. */
export class Line {
  readonly #waiting: WaitingRoom
  #busy = false
  #closed = false
  #onEmpty = () => {}

  constructor(waitingMax: number) {
    this.#waiting = new WaitingRoom(waitingMax)
  }

  /**
   * Waits for the turn, for ever where `patienceMs` is undefined; answers how to give it back, which may be called
   * again. Rejects with `DATABASE_BUSY` where too many wait already or the wait has been too long, and with
   * `DATABASE_AWAY` when the line is closed.
   */
  async enter(patienceMs?: number): Promise<() => void> {
    if (this.#closed) throw new DatabaseAwayError()
    if (this.#busy) await this.#waiting.wait(patienceMs)
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
    this.#waiting.dismiss(new DatabaseAwayError())
    if (!this.#busy) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onEmpty = resolve
    })
  }

  // Handed on rather than freed: whoever came in between would jump the queue.
  #next(): void {
    if (this.#waiting.call()) return
    this.#busy = false
    this.#onEmpty()
  }
}
