import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { EndReason, LiveConnection } from '../auth/live-connections.ts'
import { Refusal } from '../auth/refusals.ts'
import { HttpForward, type HttpForwardOptions, refusalFor } from './http-forward.ts'
import { lingeringClose } from './lingering-close.ts'
import { hasBody } from './request-body.ts'
import { clientHead } from './response-headers.ts'
import { relay, type Side } from './websocket-relay.ts'

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

/** The response that a connection is at; undefined for an idle one, and for one that speaks HTTP no more. */
export function responseOn(socket: object): ServerResponse | undefined {
  // Node has no public way to ask. Its own answer to a malformed request looks here, too.
  const response: unknown = Reflect.get(socket, '_httpMessage')
  return response instanceof ServerResponse ? response : undefined
}

/** Whether this request arrived as an upgrade; its answer is a handshake, or a refusal like any other. */
export function isUpgrade(request: IncomingMessage): boolean {
  return upgrades.has(request)
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

// Bytes of frames that a client may send before its handshake is answered.
const earlyAtMost = 65_536

export interface ForwardUpgradeOptions extends Omit<HttpForwardOptions, 'send' | 'repeatable' | 'onUpgrade'> {
  /** The request target, with the client's own bytes. */
  readonly path: string
  readonly headers: string[]
}

/**
 * Takes the client's handshake to the upstream and the upstream's answer back, whichever it is: the browser sees the
 * chosen subprotocol, the extensions, or the refusal with its status. After that bytes pass unchanged. Throws
 * UPGRADE_UNSUPPORTED for a handshake with a body, UPSTREAM_BUSY or RATE_LIMITED where too many are open.
 */
export function forwardUpgrade(options: ForwardUpgradeOptions): void {
  const { request, reply, live, holder, marks, path, headers, onOutcome } = options
  const upgrade = upgrades.get(request.raw)
  if (upgrade === undefined) throw new Refusal('UPSTREAM_FAILED')
  // Some servers would read a body first and others frames: nobody could say where it ends.
  if (hasBody(request.raw)) throw new Refusal('UPGRADE_UNSUPPORTED')
  const { socket } = upgrade
  let relayed: LiveConnection | undefined
  let ended: EndReason | undefined
  const connection: LiveConnection = {
    kind: 'websocket',
    end(reason) {
      if (relayed !== undefined) relayed.end(reason)
      // While the upstream has not answered there is nobody to say goodbye to. Whoever asks twice waits no longer.
      else if (ended === undefined) ended = reason
      else socket.destroy()
    }
  }
  const admission = live.admit(connection, holder)
  if (admission !== 'admitted') throw refusalFor(admission)
  let untie = () => {}
  const release = () => {
    live.delete(connection)
    untie()
  }
  socket.once('close', release)

  // A socket that nobody reads does not tell that its other end is gone.
  const early = [upgrade.head]
  let earlyBytes = upgrade.head.length
  const leave = () => socket.destroy()
  const keep = (chunk: Buffer) => {
    early.push(chunk)
    earlyBytes += chunk.length
    if (earlyBytes >= earlyAtMost) socket.pause()
  }
  socket.once('end', leave).on('data', keep)

  const forward = new HttpForward({
    ...options,
    send: { path, method: 'GET', headers, body: null, upgrade: 'websocket' },
    repeatable: true,
    onUpgrade(rawHeaders, upstream) {
      socket.pause().off('end', leave).off('data', keep)
      reply.hijack()
      reply.raw.detachSocket(request.raw.socket)
      socket.write(handshake(clientHead(rawHeaders, marks()).headers), 'latin1')
      relayed = relay(
        { socket, head: Buffer.concat(early) },
        { socket: upstream, head: Buffer.alloc(0) },
        (outcome) => {
          release()
          onOutcome(outcome, 101)
        }
      )
      untie = options.tie?.(() => connection.end('session ended')) ?? untie
      if (ended !== undefined) relayed.end(ended)
    }
  })
  // What a client sends behind a handshake that is refused is read and dropped.
  reply.raw.once('finish', () => socket.off('data', keep).resume())
  forward.start()
}

function handshake(headers: readonly string[]): string {
  let head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${head}\r\n`
}
