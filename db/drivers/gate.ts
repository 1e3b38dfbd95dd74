import { DatabaseAwayError } from '../errors.ts'
import { Breaker, type BreakerOptions } from './breaker.ts'
import { WaitingRoom } from './waiting-room.ts'

export interface GateOptions extends Omit<BreakerOptions, 'onChange'> {
  /** How many may be at it at once. */
  readonly places: number
  /** How many more may wait for one of those places. */
  readonly waitingMax: number
  /** Hears when the store is given up, and when it is back. */
  readonly onAway: ((away: boolean) => void) | undefined
}

// Connections are made two at first, then more with every answer: a crowd that connects all at once, to a store that is
// just back or from a process that is short of time, may keep every one of them from being ready in time.
const firstPlaces = 2

/**
 * The door to the store. So many are at it at once and so many wait, for so long; everybody else is turned away at
 * once, and so are all while the store does not answer.
 */
export class Gate {
  readonly #options: GateOptions
  readonly #breaker: Breaker
  readonly #waiting: WaitingRoom
  #inside = 0
  #limit: number
  #away = false
  #usedAt = Number.NEGATIVE_INFINITY

  constructor(options: GateOptions) {
    this.#options = options
    this.#waiting = new WaitingRoom(options.waitingMax)
    this.#limit = Math.min(options.places, firstPlaces)
    this.#breaker = new Breaker({ ...options, onChange: () => this.#settle() })
  }

  /** How many are waiting. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** How long ago anybody's statement was answered, in ms; Infinity before the first. */
  get quietMs(): number {
    return performance.now() - this.#usedAt
  }

  /** There is reason to believe that the store is back. Resolves once that is known. */
  hope(): Promise<void> {
    return this.#breaker.hope()
  }

  /**
   * A place at the store; answers how to give it back, which may be called again. Rejects with `DATABASE_AWAY`, and
   * with `DATABASE_BUSY` where too many wait already or the wait has been too long.
   */
  async enter(): Promise<() => void> {
    if (this.#breaker.state === 'open') throw new DatabaseAwayError()
    if (this.#inside < this.#limit && this.#breaker.state === 'closed') this.#inside++
    else await this.#waiting.wait(this.#options.patienceMs)
    // Whoever stays long may be stuck, and others with them.
    let { answers } = this.#breaker
    const watch = setInterval(() => {
      answers = this.#breaker.watch(answers)
    }, this.#options.patienceMs * 0.6)
    watch.unref()
    let left = false
    return () => {
      if (left) return
      left = true
      clearInterval(watch)
      this.#inside--
      this.#settle()
    }
  }

  /** Tells what came of a statement or an attempt to connect; `used`: whether it was more than a question if it is there. */
  answered(error?: unknown, used = true): void {
    if (error === undefined && used) this.#usedAt = performance.now()
    this.#breaker.answered(error)
    if (error === undefined && this.#limit < this.#options.places) this.#limit++
  }

  /** Turns everybody away who waits, and asks no more. */
  close(): void {
    this.#breaker.stop()
    this.#waiting.dismiss(new DatabaseAwayError())
  }

  #settle(): void {
    const { state } = this.#breaker
    if (state === 'open') {
      this.#limit = Math.min(this.#options.places, firstPlaces)
      this.#waiting.dismiss(new DatabaseAwayError())
    }
    if (state === 'closed') {
      while (this.#inside < this.#limit && this.#waiting.call()) this.#inside++
    }
    const away = state === 'doubtful' ? this.#away : state === 'open'
    if (away === this.#away) return
    this.#away = away
    this.#options.onAway?.(away)
  }
}
