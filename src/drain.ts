import type { Server } from 'node:http'
import { Server as Listener, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { LiveConnection } from '../proxy/live-connection.ts'
import { responseOn } from './connections.ts'

export interface DrainOptions {
  /** Milliseconds to go on accepting, for load balancers to notice. */
  readonly delayMs: number
  /** Milliseconds that requests in flight then get. */
  readonly timeoutMs: number
}

/** What is drained. */
export interface Drained {
  readonly server: Server
  /** All of the server's. */
  readonly connections: ReadonlySet<Socket>
  /** What lasts, WebSockets and event streams: told to go. */
  readonly lasting: ReadonlySet<LiveConnection>
}

const sweepEveryMs = 50
// How long a client may take to use a connection again that it believes to be kept alive.
const reuseMs = 1_000

/**
 * Stops a listener without cutting off what it has accepted, unless that takes longer than it may. For every response
 * that begins from now on the caller sets `shouldKeepAlive` to false; here the same is done for those under way.
 */
export async function drain({ server, connections, lasting }: Drained, options: DrainOptions): Promise<void> {
  let reusableUntil = 0
  for (const connection of connections) {
    const response = responseOn(connection)
    if (response?.headersSent === false) response.shouldKeepAlive = false
    // Too late to say: when it has ended, its client may send the next request that very moment.
    else
      response?.once('close', () => {
        reusableUntil = Date.now() + reuseMs
      })
  }
  if (options.delayMs > 0) await wait(options.delayMs)
  if (!server.listening) return
  // The way of node:http would close idle connections here and now, and stop watching for slow ones.
  const closed = new Promise<void>((resolve) => Listener.prototype.close.call(server, () => resolve()))
  const stoppedAt = Date.now()
  const closeIdle = () => {
    // Again and again: a handshake may still have been under way.
    for (const connection of lasting) connection.end('going away')
    const now = Date.now()
    // What is idle by now was told to close, or has not been used for as long as the delay lasted.
    if (now >= reusableUntil) server.closeIdleConnections()
    // Opened in advance, as browsers do, and never used: not idle in Node's eyes.
    if (now >= stoppedAt + reuseMs)
      for (const connection of connections) if (connection.bytesRead === 0) connection.destroy()
  }
  closeIdle()
  const sweep = setInterval(closeIdle, sweepEveryMs)
  const overtime = new AbortController()
  const late = wait(options.timeoutMs, undefined, { signal: overtime.signal }).then(
    () => server.closeAllConnections(),
    () => undefined
  )
  await Promise.race([closed, late])
  overtime.abort()
  clearInterval(sweep)
}
