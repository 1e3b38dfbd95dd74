import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { lingeringClose, responseOn } from './lingering-close.ts'
import { hasBody } from './request-body.ts'
import type { Side } from './websocket-relay.ts'

const upgrades = new WeakMap<IncomingMessage, Side>()

/** Whether a request asks for a WebSocket (RFC 6455, section 4.2.1). Every other `Upgrade` is ignored, as HTTP allows. */
export function isWebSocketUpgrade({ method, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    /\bupgrade\b/i.test(headers.connection ?? '') &&
    headers['sec-websocket-key'] !== undefined
  )
}

/**
 * Whether an upgrade can be taken now. One that was pipelined behind a request that is still being answered cannot: it
 * is a request like any other then, and its `Upgrade` is ignored.
 */
export function isTakeableUpgrade(request: IncomingMessage): boolean {
  return isWebSocketUpgrade(request) && responseOn(request.socket) === undefined
}

/** The client's side of a request that arrived as an upgrade; its answer is a handshake, or a refusal like any other. */
export function upgradeOf(request: IncomingMessage): Side | undefined {
  return upgrades.get(request)
}

/**
 * Lets upgrades walk through the same router, hooks and refusals as every other request. An `Upgrade` to anything but
 * a WebSocket is ignored (RFC 9110, section 7.8); `refuse` is called where its body is already lost, `onFinish` once an
 * answer that is no handshake is out.
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
    // Only before Node 24.9; there is no later turn to wait for, because nobody reads this connection any more.
    if (responseOn(request.socket) !== undefined) {
      socket.destroy()
      return
    }
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    // Node's own server does the same for every other request; an upgrade's response is ours to attach.
    response.assignSocket(request.socket)
    response.on('finish', () => {
      onFinish(request, response)
      lingeringClose(socket)
    })
    route(request, response)
  })
}
