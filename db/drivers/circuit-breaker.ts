import { isUnavailable, sqlState } from '../failure-kind.ts'
import { withTimeout } from '../timeout.ts'

export interface CircuitBreakerOptions {
  /** Asks the database for next to nothing. Rejects when it does not answer; may take for ever. */
  readonly probe: () => Promise<unknown>
  /** Cuts every connection, so that one that is stuck does not hold up the next probe. */
  readonly cutConnections: () => void
  /** How long a caller waits at most, in ms. */
  readonly patienceMs: number
  /** Called after each change. */
  readonly onChange: (state: BreakerState) => void
}

/** `doubtful`: failures were seen and a probe is on its way. `open`: the probe failed too, and probing goes on. */
export type BreakerState = 'closed' | 'doubtful' | 'open'

const failuresUntilDoubt = 3
const pauseMs = 500
const quickProbes = 3
const quickShare = 0.3
const silent = 'the database did not answer'

/**
 * A circuit breaker around the database. Three failures in a row, or silence, only make it doubtful: the next answer to
 * anybody closes it again, and a failed probe opens it. So neither a statement that fails by itself opens it, nor a
 * process that is too busy to read answers. While it is open a probe follows 500 ms after the last one, whether or not
 * anybody asks. Probes do not overlap, except that short ones go on beside a long one, which may be stuck.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  #state: BreakerState = 'closed'
  #failures = 0
  #answers = 0
  #probes = 0
  #probing = false
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: CircuitBreakerOptions) {
    this.#options = options
  }

  get state(): BreakerState {
    return this.#state
  }

  /** How many answers there were, errors that the database itself gave included. */
  get answers(): number {
    return this.#answers
  }

  /** Takes the outcome of a statement or of an attempt to connect. */
  record(error?: unknown): void {
    if (error !== undefined && isUnavailable(error)) {
      if (++this.#failures >= failuresUntilDoubt) this.doubt()
      return
    }
    this.#failures = 0
    this.#answers++
    if (this.#state === 'doubtful') this.#change('closed')
  }

  /** Has a probe find out whether the database still answers. */
  doubt(): void {
    if (this.#state !== 'closed' || this.#probing) return
    this.#change('doubtful')
    void this.#probe()
  }

  /** The database is known to be gone. */
  open(): void {
    if (this.#stopped) return
    this.#change('open')
    if (!this.#probing) void this.#probe()
  }

  /** The database is believed to be back: probes now rather than after the pause. Resolves once the probe is over. */
  async probeNow(): Promise<void> {
    if (this.#state === 'open' && !this.#probing) await this.#probe()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
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
      // Closed: somebody else was answered while this probe was on its way.
      if (this.#stopped || this.#state === 'closed') return
      this.#change('open')
      // Where the server itself refused the probe, the connections that it has accepted may be as good as ever.
      if (sqlState(error) === undefined) this.#options.cutConnections()
      this.#timer = setTimeout(() => void this.#probe(), pauseMs).unref()
    } finally {
      this.#probing = false
    }
  }

  // Three short probes, so that one that is stuck does not delay the return, then a long one for a slow database.
  #ask(): Promise<unknown> {
    const { probe, patienceMs } = this.#options
    const quickMs = patienceMs * quickShare
    const quick = () => withTimeout(quickMs, probe(), silent)
    if (this.#probes++ % (quickProbes + 1) !== quickProbes) return quick()
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    withTimeout(patienceMs, probe(), silent).then(resolve, reject)
    const beside = setInterval(() => quick().then(resolve, () => {}), quickMs + pauseMs)
    return promise.finally(() => clearInterval(beside))
  }

  #change(state: BreakerState): void {
    if (state === this.#state) return
    this.#state = state
    this.#options.onChange(state)
  }
}
