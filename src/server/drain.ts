import type { Server } from 'node:http'
import { Server as Listener, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { LiveConnection, LiveConnections } from '../../auth/live-connections.ts'
import { responseOn } from '../../proxy/lingering-close.ts'
import { NamedRequest } from './access-log.ts'

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
  /** What lasts: WebSockets and the pages' own streams are told to go. */
  readonly live: Pick<LiveConnections, typeof Symbol.iterator>
}

// Requests in flight, which have their time.
const finishByThemselves = new Set<LiveConnection['kind']>(['event-stream', 'response'])
const sweepEveryMs = 50
// How long a client may take to use a connection again that it believes to be kept alive.
const reuseMs = 1_000

/**
 * Stops a listener without cutting off what it has accepted, unless that takes longer than it may. For every response
 * that begins from now on the caller sets `shouldKeepAlive` to false; here the same is done for those under way.
 */
export async function drain({ server, connections, live }: Drained, options: DrainOptions): Promise<void> {
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
  const told = new WeakSet<LiveConnection>()
  const closeIdle = () => {
    // Again and again: a handshake may still have been under way.
    for (const connection of live) {
      if (!finishByThemselves.has(connection.kind) && !told.has(connection)) connection.end('going away')
      told.add(connection)
    }
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
    () => {
      for (const connection of live) connection.end('going away')
      for (const connection of connections) {
        const request = responseOn(connection)?.req
        if (request instanceof NamedRequest) request.outcome ??= 'going away'
      }
      server.closeAllConnections()
    },
    () => undefined
  )
  await Promise.race([closed, late])
  overtime.abort()
  clearInterval(sweep)
}

/** The connections that a server accepts from now on, as long as they are open. */
export function trackConnections(server: Server): ReadonlySet<Socket> {
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
  })
  return connections
}
