import type { Server } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { LiveConnection, LiveConnections } from '../../auth/live-connection-limits.ts'
import { responseOn } from '../../proxy/close-connection.ts'
import { LoggedRequest } from './access-log.ts'

export interface DrainOptions {
  /** Milliseconds to go on accepting, for load balancers to notice. */
  readonly delayMs: number
  /** Milliseconds that requests in flight then get. */
  readonly timeoutMs: number
}

/** What is drained. */
export interface Drained {
  readonly server: Server
  /** All open connections of the server. */
  readonly connections: ReadonlySet<Socket>
  /** WebSockets and the pages' event streams among them are ended; other live connections are requests in flight. */
  readonly live: Pick<LiveConnections, typeof Symbol.iterator>
}

const requestsInFlight = new Set<LiveConnection['kind']>(['event-stream', 'response'])
const sweepEveryMs = 50
// How long a client may take to send the next request on a connection that it believes to be kept alive.
const reuseMs = 1_000

/**
 * Stops a listener, and waits for the requests in flight until `timeoutMs` is over; then their connections are cut. The
 * caller sets `shouldKeepAlive` to false for every response that begins from now on; here the same is done for those
 * that have begun.
 */
export async function drain({ server, connections, live }: Drained, options: DrainOptions): Promise<void> {
  let reusableUntil = 0
  for (const connection of connections) {
    const response = responseOn(connection)
    if (response?.headersSent === false) response.shouldKeepAlive = false
    // Its head said "keep-alive" already: the client may send the next request the moment this response has ended.
    else
      response?.once('close', () => {
        reusableUntil = Date.now() + reuseMs
      })
  }
  if (options.delayMs > 0) await wait(options.delayMs)
  if (!server.listening) return
  // `close` of node:http would close idle connections at once, and stop watching for slow ones.
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()))
  const stoppedAt = Date.now()
  const ended = new WeakSet<LiveConnection>()
  const sweep = () => {
    // Repeated, because a WebSocket's handshake may have been under way before.
    for (const connection of live) {
      if (!requestsInFlight.has(connection.kind) && !ended.has(connection)) connection.end('going away')
      ended.add(connection)
    }
    const now = Date.now()
    // A connection that is idle now was told to close, or has not been used for as long as the delay lasted.
    if (now >= reusableUntil) server.closeIdleConnections()
    // Connections that browsers open in advance and have not used yet: Node does not count them as idle.
    if (now >= stoppedAt + reuseMs)
      for (const connection of connections) if (connection.bytesRead === 0) connection.destroy()
  }
  sweep()
  const sweeping = setInterval(sweep, sweepEveryMs)
  const timeout = new AbortController()
  const timedOut = wait(options.timeoutMs, undefined, { signal: timeout.signal }).then(
    () => {
      for (const connection of live) connection.end('going away')
      for (const connection of connections) {
        const request = responseOn(connection)?.req
        if (request instanceof LoggedRequest) request.outcome ??= 'going away'
      }
      server.closeAllConnections()
    },
    () => undefined
  )
  await Promise.race([closed, timedOut])
  timeout.abort()
  clearInterval(sweeping)
}
