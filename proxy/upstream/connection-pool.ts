import type { Socket } from 'node:net'
import { Client } from 'undici'
import { HolderCounts } from '../../auth/live-connection-limits.ts'
import { createConnector, type UpstreamAddress } from './connector.ts'

/** A forward that needs a connection to an upstream. */
export interface Borrower {
  /** Whose share the connection counts towards: a session's id, or the address of a client without one. */
  readonly holder: string
  /** Called once, with a connection that no other borrower uses. It has to be given back with `giveBack`. */
  onConnection(connection: Client): void
  /** Called instead where no connection came free in time ('busy'), or where the holder has its share already ('share'). */
  onNoConnection(why: 'busy' | 'share'): void
}

interface ConnectionPoolOptions {
  /** How many connections may be in use for requests at once. */
  readonly most: number
  /** Milliseconds until response headers. */
  readonly timeoutMs: number
  readonly connectTimeoutMs?: number | undefined
  /** Milliseconds that a request may wait for a connection. */
  readonly waitMs?: number | undefined
}

const defaultWaitMs = 2_000
const keepAliveMs = 4_000
// With fewer connections than this no share is limited: a single browser opens six.
const sharedFrom = 64

/**
 * The connections to one upstream. Idle connections are kept on a stack: the one used last is taken first, so that the
 * others reach their keep-alive timeout and close, and taking one costs the same however many are in use. A connection
 * whose forward turns out to be a live connection no longer counts (`releasePlace`), and its place goes to the next in the queue.
 * No holder gets more than half of all places, so that one client with many slow requests leaves room for others.
 */
export class ConnectionPool {
  /** Milliseconds until response headers. */
  readonly timeoutMs: number
  readonly #options: ConnectionPoolOptions
  readonly #connector: ReturnType<typeof createConnector>
  readonly #origin: string
  readonly #all = new Set<Client>()
  /** The current socket of each connection. */
  readonly #sockets = new WeakMap<Client, Socket>()
  readonly #idle: Client[] = []
  readonly #waiting = new Map<Borrower, number>()
  readonly #held = new HolderCounts()
  /** The borrowers whose place counts towards their holder's share. */
  readonly #counted = new WeakSet<Borrower>()
  #busy = 0
  #timer: NodeJS.Timeout | undefined

  constructor(address: UpstreamAddress, options: ConnectionPoolOptions) {
    this.timeoutMs = options.timeoutMs
    this.#options = options
    this.#origin = address.origin
    this.#connector = createConnector(address, options.connectTimeoutMs)
  }

  /** Connections in use for requests. */
  get busy(): number {
    return this.#busy
  }

  /** Lends a connection: at once where one is free, and otherwise as soon as one comes free. */
  take(borrower: Borrower): void {
    const { most } = this.#options
    // No holder can have half of all places while fewer than a quarter are taken, so counting begins only then.
    if (most >= sharedFrom && this.#busy + this.#waiting.size >= most / 4 && !this.#count(borrower)) {
      borrower.onNoConnection('share')
      return
    }
    if (this.#busy < most) {
      this.#busy++
      borrower.onConnection(this.#idle.pop() ?? this.#open())
    } else if (this.#waiting.size < most) this.#wait(borrower)
    else {
      this.#uncount(borrower)
      borrower.onNoConnection('busy')
    }
  }

  /** Takes a borrower out of the queue. */
  cancel(borrower: Borrower): void {
    if (this.#waiting.delete(borrower)) this.#uncount(borrower)
  }

  /** Frees the borrower's place among the connections for requests. Its connection may go on, as a live connection does. */
  releasePlace(borrower: Borrower): void {
    this.#uncount(borrower)
    this.#busy--
    // Deferred, because undici may be in the middle of parsing what it read on the connection that has come free.
    if (this.#waiting.size > 0) queueMicrotask(() => this.#serveNext())
  }

  /**
   * The borrower is done with its connection. `counted`: false once `releasePlace` was called. `opened`: whether the connection
   * could be opened; after a certificate for another name undici's count of a client's requests is wrong, and the client
   * would never be used again.
   */
  giveBack(borrower: Borrower, connection: Client, { counted, opened }: { counted: boolean; opened: boolean }): void {
    if (opened && this.#idle.length < this.#options.most) this.#idle.push(connection)
    else this.#drop(connection)
    if (counted) this.releasePlace(borrower)
  }

  /** Whether the upstream has reset this connection. */
  isReset(connection: Client): boolean {
    return this.#sockets.get(connection)?.errored != null
  }

  /** Closes all connections, and aborts the requests on them. */
  async destroy(): Promise<void> {
    clearInterval(this.#timer)
    for (const borrower of this.#waiting.keys()) borrower.onNoConnection('busy')
    this.#waiting.clear()
    await Promise.all([...this.#all].map((connection) => connection.destroy()))
  }

  #open(): Client {
    // A client whose connection was closed opens a new one when it is used.
    const connection = new Client(this.#origin, {
      pipelining: 1,
      headersTimeout: this.timeoutMs,
      bodyTimeout: 0,
      keepAliveTimeout: keepAliveMs,
      connect: (target, done) =>
        this.#connector(target, (...result) => {
          if (result[0] === null) this.#sockets.set(connection, result[1])
          done(...result)
        })
    })
    this.#all.add(connection)
    return connection
  }

  #drop(connection: Client): void {
    this.#all.delete(connection)
    connection.destroy().catch(ignore)
  }

  #wait(borrower: Borrower): void {
    const waitMs = this.#options.waitMs ?? defaultWaitMs
    this.#waiting.set(borrower, performance.now() + waitMs)
    this.#timer ??= setInterval(() => this.#turnAway(), Math.min(waitMs, 100)).unref()
  }

  // All wait equally long, so the first in the queue is the first whose time is over.
  #turnAway(): void {
    const now = performance.now()
    for (const [borrower, deadline] of this.#waiting) {
      if (deadline > now) return
      this.#waiting.delete(borrower)
      this.#uncount(borrower)
      borrower.onNoConnection('busy')
    }
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #serveNext(): void {
    const [borrower] = this.#waiting.keys()
    if (borrower === undefined || this.#busy >= this.#options.most) return
    this.#waiting.delete(borrower)
    this.#busy++
    borrower.onConnection(this.#idle.pop() ?? this.#open())
  }

  #count(borrower: Borrower): boolean {
    const isCounted = this.#held.add(borrower.holder, this.#options.most / 4)
    if (isCounted) this.#counted.add(borrower)
    return isCounted
  }

  #uncount(borrower: Borrower): void {
    if (this.#held.size > 0 && this.#counted.delete(borrower)) this.#held.remove(borrower.holder)
  }
}

function ignore(): void {}
