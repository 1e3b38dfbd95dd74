import { networkOf } from './client-address.ts'

/** Why a connection that lasts was ended. */
export type EndReason = 'session ended' | 'going away'

/** How an exchange came to its end, for its one log line. */
export type Outcome = 'finished' | 'client left' | 'upstream broke off' | 'timed out' | EndReason

/**
 * A connection that lasts: a WebSocket, an event stream of an upstream, the account page's own stream (`page`), a
 * response or a request body that goes on.
 */
export interface LiveConnection {
  readonly kind: 'websocket' | 'event-stream' | 'page' | 'response'
  /** Ends it, once; the second time nothing happens. */
  end(reason: EndReason): void
}
/** Who holds a connection that lasts. */
export interface Holder {
  /** The session's id, or a stranger's address. */
  readonly name: string
  readonly isSession: boolean
}

/** What a holder is counted under: the session, the address or, of IPv6, its network. */
export function nameOf({ name, isSession }: Holder): string {
  return isSession ? name : networkOf(name)
}

/** What may turn out to last: an exchange whose response or request body goes on. */
export interface Exchange {
  /** Called once, when the exchange has gone on for five seconds. */
  onLasting(): void
}

export interface LiveConnectionLimits {
  /** All together, in this process. */
  readonly most: number
  /** Of one address that has not signed in (IPv6: of one /64). */
  readonly mostPerAddress: number
  readonly mostPerSession: number
}

/** Milliseconds after which a response or a request body that still goes on belongs to its session. */
export const lastingAfterMs = 5_000
const lookEveryMs = 250

/**
 * The connections of this process that last: WebSockets, event streams, responses and request bodies that have gone on
 * for five seconds. They are limited in all and for each holder, apart from the connections for requests.
 */
export class LiveConnections {
  readonly #limits: LiveConnectionLimits
  readonly #now: () => number
  readonly #open = new Map<LiveConnection, string>()
  readonly #held = new Map<string, number>()
  /** Exchanges that are younger than five seconds, the oldest first, with when they began. */
  readonly #young = new Map<Exchange, number>()
  #timer: NodeJS.Timeout | undefined

  /** `now`: milliseconds on a monotonic clock. */
  constructor(limits: LiveConnectionLimits, now: () => number = () => performance.now()) {
    this.#limits = limits
    this.#now = now
  }

  /** All that are open. */
  [Symbol.iterator](): IterableIterator<LiveConnection> {
    return this.#open.keys()
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size
  }

  /**
   * Takes a connection in, to be let out again with `delete`. It is not taken in where too many are open already
   * ('busy'), or too many of this holder's ('share').
   */
  admit(connection: LiveConnection, holder: Holder): 'admitted' | 'busy' | 'share' {
    if (this.#open.has(connection)) return 'admitted'
    const { most, mostPerAddress, mostPerSession } = this.#limits
    const name = nameOf(holder)
    const held = this.#held.get(name) ?? 0
    if (held >= (holder.isSession ? mostPerSession : mostPerAddress)) return 'share'
    if (this.#open.size >= most) return 'busy'
    this.#held.set(name, held + 1)
    this.#open.set(connection, name)
    return 'admitted'
  }

  /** Lets a connection out; one that was never taken in is no mistake. */
  delete(connection: LiveConnection): void {
    const name = this.#open.get(connection)
    if (name === undefined) return
    this.#open.delete(connection)
    const held = (this.#held.get(name) ?? 1) - 1
    if (held === 0) this.#held.delete(name)
    else this.#held.set(name, held)
  }

  /** Watches an exchange from now on, and tells it once it has gone on for five seconds. */
  watch(exchange: Exchange): void {
    if (this.#young.has(exchange)) return
    this.#young.set(exchange, this.#now())
    this.#timer ??= setInterval(() => this.look(), lookEveryMs).unref()
  }

  /** Stops watching an exchange; one that is not watched is no mistake. */
  unwatch(exchange: Exchange): void {
    this.#young.delete(exchange)
  }

  /** Tells the exchanges that have become five seconds old. Costs what those cost, however many are younger. */
  look(): void {
    const bornBefore = this.#now() - lastingAfterMs
    for (const [exchange, since] of this.#young) {
      if (since > bornBefore) return
      this.#young.delete(exchange)
      exchange.onLasting()
    }
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
