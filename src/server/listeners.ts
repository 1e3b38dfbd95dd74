import { once } from 'node:events'
import http, { type IncomingMessage, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { isTakeableUpgrade } from '../../proxy/websocket-upgrade-routing.ts'
import { LoggedRequest } from './access-log.ts'

const headersWithinMs = 15_000
const keepAliveMs = 72_000
const sweepEveryMs = 1_000

/** The public listener, not yet bound. */
export function createPublicServer(): Server {
  const options = {
    IncomingMessage: LoggedRequest,
    headersTimeout: headersWithinMs,
    // A body may take as long as it keeps coming: what reads it has a timeout for the time between two chunks.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: sweepEveryMs,
    // A missing Host is refused by request validation, with a problem document.
    requireHostHeader: false,
    // Node calls this from 24.9 on; before, `routeUpgrades` ignores upgrades to anything but a WebSocket.
    shouldUpgradeCallback: (request: IncomingMessage) => isTakeableUpgrade(request)
  }
  const server = http.createServer(options)
  // No limit on the number of headers, only on their size: some versions of Node drop the headers beyond the limit without
  // an error, a `Content-Length` or a second `Host` as well.
  server.maxHeadersCount = 0
  // A closed socket has a `remoteAddress` only if that was read while it was open. Otherwise a client that leaves early
  // would have none.
  server.on('connection', (socket: Socket) => {
    if (socket.remoteAddress === undefined) socket.destroy()
  })
  return server
}

/** Binds a server and resolves to its port. Rejects with the system's error (`EADDRINUSE`, `EACCES`, …). */
export async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen({ host, port })
  await once(server, 'listening')
  return portOf(server)
}

/** The port that a server is bound to; 0 while it is not. */
export function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/**
 * Binds a worker's server to the configured port, or with port 0 to the one that the gateway `serves` already. Workers
 * that ask for port 0 share one port for as long as one of them lives; a worker that comes later is given another, and
 * asks again for the first by its number.
 */
export async function listenAgain(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
  serves: number
): Promise<void> {
  if ((await listen(server, host, port)) === serves) return
  await new Promise((closed) => server.close(closed))
  await listen(server, host, serves)
}

/** `http://host:port`, as one would type it. */
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The open connections of a server, as they come and go from now on. */
export function trackConnections(server: Server): ReadonlySet<Socket> {
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
  })
  return connections
}
