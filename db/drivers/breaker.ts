import { isStoreFailure, sqlState } from '../failure-scope.ts'
import { within } from './within.ts'

export interface BreakerOptions {
  /** One trivial statement. Rejects when the store does not answer; may take for ever. */
  readonly probe: () => Promise<unknown>
  /** Cuts every connection, so that nothing that is stuck holds up the next probe. */
  readonly cut: () => void
  /** How long whoever asks the store waits at most, in ms. */
  readonly patienceMs: number
  /** Hears of every change, after it. */
  readonly onChange: (state: BreakerState) => void
}

/** `doubtful`: failures were seen and a probe is out. `open`: it failed too, and probes go on. */
export type BreakerState = 'closed' | 'doubtful' | 'open'

const failuresUntilDoubt = 3
const pauseMs = 500
const quickProbes = 3
const quickShare = 0.3
const mute = 'the database did not answer'
// The server gave these itself, and is still of no use: connection, sign-in, database, resources, intervention, system.
const awayClasses = new Set(['08', '28', '3D', '53', '57', '58', 'XX'])

/**
 * Whether the store can be asked. Failures in a row, or silence, only raise a doubt, which the next answer to anything
 * dispels and a failed probe confirms: nothing that merely one statement suffers from opens the breaker, nor does a
 * process that is too busy to keep up. While the breaker is open a probe follows half a second after the last, whether
 * anybody asks or not. One is out at a time, but beside a patient one, which may be stuck, short ones go on.
 */
export class Breaker {
  readonly #options: BreakerOptions
  #state: BreakerState = 'closed'
  #failures = 0
  #answers = 0
  #probes = 0
  #probing = false
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: BreakerOptions) {
    this.#options = options
  }

  get state(): BreakerState {
    return this.#state
  }

  /** Tells what came of a statement or an attempt to connect. */
  answered(error?: unknown): void {
    if (error !== undefined && isAway(error)) {
      if (++this.#failures >= failuresUntilDoubt) this.#doubt()
      return
    }
    this.#failures = 0
    this.#answers++
    if (this.#state === 'doubtful') this.#change('closed')
  }

  /**
   * Something takes long, and so far there were so many answers: if there has been none since, a probe is to find out
   * whether it is the store. Answers how many there are now.
   */
  watch(answers: number): number {
    if (answers === this.#answers) this.#doubt()
    return this.#answers
  }

  /** How many answers there were, of whatever kind. */
  get answers(): number {
    return this.#answers
  }

  /** There is reason to believe that the store is back. Resolves once that is known. */
  async hope(): Promise<void> {
    if (this.#state === 'open' && !this.#probing) await this.#probe()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #doubt(): void {
    if (this.#state !== 'closed' || this.#probing) return
    this.#change('doubtful')
    void this.#probe()
  }

  async #probe(): Promise<void> {
    clearTimeout(this.#timer)
    this.#probing = true
    try {
      await this.#ask()
      if (this.#stopped) return
      this.#failures = 0
      this.#answers++
      this.#probes = 0
      this.#change('closed')
    } catch (error) {
      if (this.#stopped) return
      // Dispelled meanwhile, by an answer to somebody else.
      if (this.#state === 'closed') return
      this.#change('open')
      // Where the server itself said no, the connections that it has accepted may be as good as ever.
      if (sqlState(error) === undefined) this.#options.cut()
      this.#timer = setTimeout(() => void this.#probe(), pauseMs).unref()
    } finally {
      this.#probing = false
    }
  }

  // Short, so that one that got stuck does not hold up the return; now and then long, for a store that is merely slow.
  #ask(): Promise<unknown> {
    const { probe, patienceMs } = this.#options
    const quickMs = patienceMs * quickShare
    const quick = () => within(quickMs, probe(), mute)
    if (this.#probes++ % (quickProbes + 1) !== quickProbes) return quick()
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    within(patienceMs, probe(), mute).then(resolve, reject)
    const beside = setInterval(() => quick().then(resolve, () => {}), quickMs + pauseMs)
    return promise.finally(() => clearInterval(beside))
  }

  #change(state: BreakerState): void {
    if (state === this.#state) return
    this.#state = state
    this.#options.onChange(state)
  }
}

function isAway(error: unknown): boolean {
  const state = sqlState(error)
  return state === undefined ? isStoreFailure(error) : awayClasses.has(state.slice(0, 2))
}
