import type { Server } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { LiveSocket } from '../proxy/websocket-relay.ts'

export interface DrainOptions {
  /** Milliseconds to go on accepting, for load balancers to notice. */
  readonly delayMs: number
  /** Milliseconds that requests in flight then get. */
  readonly timeoutMs: number
}

const goingAway = 1001
const sweepEveryMs = 50

/** Stops a listener without cutting off what it has accepted, unless that takes longer than it may. */
export async function drain(server: Server, sockets: ReadonlySet<LiveSocket>, options: DrainOptions): Promise<void> {
  if (options.delayMs > 0) await wait(options.delayMs)
  if (!server.listening) return
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  // A connection that was kept alive becomes idle when the request that was in flight on it ends.
  const sweep = setInterval(() => server.closeIdleConnections(), sweepEveryMs)
  for (const socket of sockets) socket.close(goingAway, 'going away')
  const overtime = new AbortController()
  const late = wait(options.timeoutMs, undefined, { signal: overtime.signal }).then(
    () => server.closeAllConnections(),
    () => undefined
  )
  await Promise.race([closed, late])
  overtime.abort()
  clearInterval(sweep)
}
