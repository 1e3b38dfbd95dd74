import type { Socket } from 'node:net'
import { Client } from 'undici'
import { createConnector, type UpstreamAddress } from './connector.ts'

/** Somebody who needs a connection to an upstream. */
export interface Borrower {
  /** Who it is for: the session's id, or a stranger's address. */
  readonly holder: string
  /** Called once, with a connection that nobody else uses. It has to be given back, or kept out of the count. */
  onConnection(connection: Client): void
  /** Called instead where none came free in time ('busy'), or where this holder has its share already ('share'). */
  onNoConnection(why: 'busy' | 'share'): void
}

export interface ConnectionPoolOptions {
  /** Connections that are at work on requests at once. */
  readonly most: number
  /** Milliseconds until response headers. */
  readonly timeoutMs: number
  readonly connectTimeoutMs?: number | undefined
  /** Milliseconds that a request may wait for a connection. */
  readonly waitMs?: number | undefined
}

const defaultWaitMs = 2_000
const keepAliveMs = 4_000
// With fewer connections than this nobody's share is limited: a browser alone opens six.
const sharedFrom = 64

/**
 * Connections to one upstream. Idle ones lie on a stack: the one used last is taken first, so that the others grow old
 * and close, and taking one costs the same however many are at work. One that turns out to last is kept out of the count
 * (`lasts`), and its place goes to the next. No holder gets more than half of all places, so that one client with many
 * slow requests leaves room for others.
 */
export class ConnectionPool {
  /** Milliseconds until response headers. */
  readonly timeoutMs: number
  readonly #options: ConnectionPoolOptions
  readonly #connector: ReturnType<typeof createConnector>
  readonly #origin: string
  readonly #all = new Set<Client>()
  /** The socket of each connection, the last one where it has had several. */
  readonly #sockets = new WeakMap<Client, Socket>()
  readonly #idle: Client[] = []
  readonly #waiting = new Map<Borrower, number>()
  readonly #held = new Map<string, number>()
  /** Those whose place counts towards their holder's share. */
  readonly #counted = new WeakSet<Borrower>()
  #busy = 0
  #timer: NodeJS.Timeout | undefined

  constructor(address: UpstreamAddress, options: ConnectionPoolOptions) {
    this.timeoutMs = options.timeoutMs
    this.#options = options
    this.#origin = address.origin
    this.#connector = createConnector(address, options.connectTimeoutMs)
  }

  /** Connections at work on requests. */
  get busy(): number {
    return this.#busy
  }

  /** Hands over a connection: at once where one is to be had, and otherwise when one comes free. */
  take(borrower: Borrower): void {
    const { most } = this.#options
    // Nobody can be near half of all while fewer than a quarter are taken, so that counting can wait until then.
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

  /** For a borrower that no longer wants what it waits for. */
  cancel(borrower: Borrower): void {
    if (this.#waiting.delete(borrower)) this.#uncount(borrower)
  }

  /** The exchange of this borrower goes on and on: its connection no longer takes the place of one for requests. */
  lasts(borrower: Borrower): void {
    this.#uncount(borrower)
    this.#busy--
    // Not here and now: undici may be in the middle of what it reads on the very connection that has come free.
    if (this.#waiting.size > 0) queueMicrotask(() => this.#serveNext())
  }

  /**
   * The exchange is over. `counted`: false once it was said that it lasts. `opened`: whether the connection could be
   * opened; undici miscounts after a certificate for another name, and never uses such a client again.
   */
  giveBack(borrower: Borrower, connection: Client, { counted, opened }: { counted: boolean; opened: boolean }): void {
    if (opened && this.#idle.length < this.#options.most) this.#idle.push(connection)
    else this.#drop(connection)
    if (counted) this.lasts(borrower)
  }

  /** Whether the upstream has broken this connection off. */
  isReset(connection: Client): boolean {
    return this.#sockets.get(connection)?.errored != null
  }

  /** Ends all connections, and whatever is under way on them. */
  async destroy(): Promise<void> {
    clearInterval(this.#timer)
    for (const borrower of this.#waiting.keys()) borrower.onNoConnection('busy')
    this.#waiting.clear()
    await Promise.all([...this.#all].map((connection) => connection.destroy()))
  }

  #open(): Client {
    // One that has been closed opens itself again when it is used.
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

  // They all wait equally long, so whoever came first is at the front.
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
    const held = this.#held.get(borrower.holder) ?? 0
    if (held >= this.#options.most / 4) return false
    this.#held.set(borrower.holder, held + 1)
    this.#counted.add(borrower)
    return true
  }

  #uncount(borrower: Borrower): void {
    if (this.#held.size === 0 || !this.#counted.delete(borrower)) return
    const held = (this.#held.get(borrower.holder) ?? 1) - 1
    if (held === 0) this.#held.delete(borrower.holder)
    else this.#held.set(borrower.holder, held)
  }
}

function ignore(): void {}
