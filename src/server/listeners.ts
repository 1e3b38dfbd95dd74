import http, { type IncomingMessage, type Server } from 'node:http'
import { BlockList, isIPv6, type Socket } from 'node:net'
import { isTakeableUpgrade } from '../../proxy/websocket-upgrade.ts'
import { NamedRequest } from './access-log.ts'

const headersWithinMs = 15_000
const keepAliveMs = 72_000
const sweepEveryMs = 1_000

/** The public listener, not yet bound. */
export function createPublicServer(): Server {
  const options = {
    IncomingMessage: NamedRequest,
    headersTimeout: headersWithinMs,
    // A body may take as long as it keeps coming; its pace is watched where it is read.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: sweepEveryMs,
    // A missing Host is refused in our own words, by admission.
    requireHostHeader: false,
    // Node 24.9 and later; before, `routeUpgrades` ignores what is no WebSocket.
    shouldUpgradeCallback: (request: IncomingMessage) => isTakeableUpgrade(request)
  }
  const server = http.createServer(options)
  // The size of a head is limited, not the number of its headers: some versions of Node drop those beyond a number, a
  // `Content-Length` or a second `Host` as well.
  server.maxHeadersCount = 0
  server.on('connection', rememberAddress)
  return server
}

// A socket that is closed knows its peer only if it was asked before, and a client could hide by leaving early.
function rememberAddress(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy()
}

/** Binds a server and resolves to its port. Rejects with the system's error (`EADDRINUSE`, `EACCES`, …). */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve(portOf(server))
    })
  })
}

/** The port that a server is bound to; 0 while it is not. */
export function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/**
 * Binds a server to a port that is configured, or, where any will do, to the one that is already `served`. Workers who
 * ask for any port share one for as long as one of them lives; if none does, it has to be asked for by its number.
 */
export async function listenWhere(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
  served?: number
): Promise<number> {
  const got = await listen(server, host, port)
  if (served === undefined || got === served) return got
  await new Promise((closed) => server.close(closed))
  return listen(server, host, served)
}

/** `http://host:port`, as one would type it. */
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * Whether a peer's `X-Forwarded-For` and `X-Request-Id` are believed. `list` has addresses and CIDRs; an empty one
 * trusts nobody.
 */
export function trustedProxies(list: readonly string[]): (address: string | undefined) => boolean {
  if (list.length === 0) return () => false
  const trusted = new BlockList()
  for (const entry of list) {
    const [address = '', bits] = entry.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) trusted.addAddress(address, family)
    else trusted.addSubnet(address, Number(bits), family)
  }
  return (address) => {
    if (address === undefined) return false
    const plain = address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
    return trusted.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
  }
}

/** The connections of a server that are open, from now on. */
export function trackConnections(server: Server): ReadonlySet<Socket> {
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
  })
  return connections
}
