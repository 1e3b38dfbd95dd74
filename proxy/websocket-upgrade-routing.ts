import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { lingeringClose, responseOn } from './close-connection.ts'
import { hasBody } from './request-body.ts'
import type { Side } from './websocket-relay.ts'

const upgrades = new WeakMap<IncomingMessage, Side>()

/** Whether a request asks for a WebSocket (RFC 6455, section 4.2.1). Every other `Upgrade` is ignored, as HTTP allows. */
function isWebSocketUpgrade({ method, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    /\bupgrade\b/i.test(headers.connection ?? '') &&
    headers['sec-websocket-key'] !== undefined
  )
}

/**
 * Whether an upgrade can be accepted now. An upgrade that was pipelined behind a request which is still being answered
 * cannot: its `Upgrade` is ignored, and it is handled as any other request.
 */
export function isTakeableUpgrade(request: IncomingMessage): boolean {
  return isWebSocketUpgrade(request) && responseOn(request.socket) === undefined
}

/** The client's side of a request that arrived as an upgrade; its answer is a handshake, or a refusal like any other. */
export function upgradeOf(request: IncomingMessage): Side | undefined {
  return upgrades.get(request)
}

/**
 * Sends upgrades through the same router, hooks and refusals as every other request. An `Upgrade` to anything but a
 * WebSocket is ignored (RFC 9110, section 7.8). `refuse` is called where Node has already lost such a request's body;
 * `onFinish` once a response that is not a handshake has been written.
 */
export function routeUpgrades(
  server: Server,
  route: (request: IncomingMessage, response: ServerResponse) => void,
  refuse: (socket: Duplex) => void,
  onFinish: (request: IncomingMessage, response: ServerResponse) => void
): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    if (isWebSocketUpgrade(request)) upgrades.set(request, { socket: request.socket, head })
    else if (hasBody(request) || head.length > 0) {
      refuse(socket)
      return
    }
    // Happens only before Node 24.9. The upgrade cannot wait for its turn, because Node no longer reads this connection.
    if (responseOn(request.socket) !== undefined) {
      socket.destroy()
      return
    }
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    // Node's server attaches the response of every other request to its socket, but not that of an upgrade.
    response.assignSocket(request.socket)
    response.on('finish', () => {
      onFinish(request, response)
      lingeringClose(socket)
    })
    route(request, response)
  })
}
