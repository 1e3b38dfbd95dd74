import { networkOf } from './client-address.ts'

/** Why a live connection was ended. */
export type EndReason = 'session ended' | 'going away'

/** How a request and its response ended, for their one log line. */
export type Outcome = 'finished' | 'client left' | 'upstream broke off' | 'timed out' | EndReason

/**
 * A connection that lasts: a WebSocket, an event stream of an upstream, the account page's own stream (`page`), or a
 * response or request body that goes on for five seconds.
 */
export interface LiveConnection {
  readonly kind: 'websocket' | 'event-stream' | 'page' | 'response'
  /** Ends the connection; a second call does nothing. */
  end(reason: EndReason): void
}

/** Whose connection it is. */
export interface Holder {
  /** The session's id, or the address of a client without a session. */
  readonly name: string
  readonly isSession: boolean
}

/** The key that a holder's connections are counted under: the session, the IPv4 address or the IPv6 network. */
export function holderKey({ name, isSession }: Holder): string {
  return isSession ? name : networkOf(name)
}

/** How many connections each holder has, by its key. */
export class HolderCounts {
  readonly #counts = new Map<string, number>()

  /** How many holders have any. */
  get size(): number {
    return this.#counts.size
  }

  /** Counts one more, unless the holder has `most` already; returns whether it was counted. */
  add(key: string, most: number): boolean {
    const count = this.#counts.get(key) ?? 0
    if (count >= most) return false
    this.#counts.set(key, count + 1)
    return true
  }

  remove(key: string): void {
    const count = (this.#counts.get(key) ?? 1) - 1
    if (count === 0) this.#counts.delete(key)
    else this.#counts.set(key, count)
  }
}

/** A request and its response, which become a live connection if they go on for five seconds. */
export interface LiveCandidate {
  /** Called once, when five seconds have passed. */
  onLongRunning(): void
}

export interface LiveConnectionLimits {
  /** Of this process. */
  readonly most: number
  /** Of one address without a session (IPv6: of one /64). */
  readonly mostPerAddress: number
  readonly mostPerSession: number
}

/** Milliseconds after which a response or a request body that still goes on is a live connection. */
export const longRunningAfterMs = 5_000

/** The live connections of this process. They are limited in all and for each holder, apart from the connections for requests. */
export class LiveConnections {
  readonly #limits: LiveConnectionLimits
  readonly #keys = new Map<LiveConnection, string>()
  readonly #counts = new HolderCounts()
  readonly #timers = new Map<LiveCandidate, NodeJS.Timeout>()

  constructor(limits: LiveConnectionLimits) {
    this.#limits = limits
  }

  [Symbol.iterator](): IterableIterator<LiveConnection> {
    return this.#keys.keys()
  }

  get size(): number {
    return this.#keys.size
  }

  /**
   * Counts a connection until `delete`. It is not admitted where too many are open already ('busy'), or too many of this
   * holder's ('share').
   */
  admit(connection: LiveConnection, holder: Holder): 'admitted' | 'busy' | 'share' {
    if (this.#keys.has(connection)) return 'admitted'
    const { most, mostPerAddress, mostPerSession } = this.#limits
    const key = holderKey(holder)
    if (!this.#counts.add(key, holder.isSession ? mostPerSession : mostPerAddress)) return 'share'
    if (this.#keys.size >= most) {
      this.#counts.remove(key)
      return 'busy'
    }
    this.#keys.set(connection, key)
    return 'admitted'
  }

  /** Counts a connection no longer; one that was not admitted is ignored. */
  delete(connection: LiveConnection): void {
    const key = this.#keys.get(connection)
    if (key === undefined) return
    this.#keys.delete(connection)
    this.#counts.remove(key)
  }

  /** Calls the candidate once five seconds have passed, unless it is unwatched before. */
  watch(candidate: LiveCandidate): void {
    if (this.#timers.has(candidate)) return
    const call = () => {
      this.#timers.delete(candidate)
      candidate.onLongRunning()
    }
    this.#timers.set(candidate, setTimeout(call, longRunningAfterMs).unref())
  }

  /** Stops watching a candidate; one that is not watched is ignored. */
  unwatch(candidate: LiveCandidate): void {
    clearTimeout(this.#timers.get(candidate))
    this.#timers.delete(candidate)
  }
}
