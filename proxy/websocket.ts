import http, { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import https from 'node:https'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  UpgradeUnsupportedError,
  UpstreamFailedError,
  UpstreamTimeoutError,
  UpstreamUnreachableError
} from './errors.ts'
import { letGo } from './let-go.ts'
import type { LiveConnection } from './live-connection.ts'
import { hasBody } from './request-body.ts'
import { clientHead, type ResponseMarks } from './response-headers.ts'
import type { UpstreamAddress } from './upstream.ts'
import { isQuotable, type OnStream, quote } from './websocket-refusal.ts'
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
  return isWebSocketUpgrade(request) && isIdle(request, request.socket)
}

// Node keeps to itself whether a response is on its way, but two at once it refuses, and an uncaught exception would
// let any client end the process.
function isIdle(request: IncomingMessage, socket: AssignableSocket): boolean {
  const probe = new ServerResponse(request)
  try {
    probe.assignSocket(socket)
  } catch {
    return false
  }
  probe.detachSocket(socket)
  return true
}

type AssignableSocket = Parameters<ServerResponse['assignSocket']>[0]

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
    if (!isIdle(request, request.socket)) {
      socket.destroy()
      return
    }
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    // Node's own server does the same for every other request; an upgrade's response is ours to attach.
    response.assignSocket(request.socket)
    response.on('finish', () => {
      onFinish(request, response)
      letGo(socket)
    })
    route(request, response)
  })
}

export interface ForwardUpgradeOptions {
  readonly address: UpstreamAddress
  /** Milliseconds until the upstream answers the handshake. */
  readonly timeoutMs: number
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** The request target, with the client's own bytes. */
  readonly path: string
  readonly headers: readonly string[]
  readonly marks: () => ResponseMarks
  readonly onOpen: (connection: LiveConnection) => void
  readonly onClose: (connection: LiveConnection) => void
  /** Is told of an answer that is an event stream, and how to end it; answers what to call when it is over. */
  readonly onStream: OnStream | undefined
}

/**
 * Takes the client's handshake to the upstream and the upstream's answer back, whichever it is: the browser sees the
 * chosen subprotocol, the extensions, or the refusal with its status. After that bytes pass unchanged.
 */
export function forwardUpgrade(options: ForwardUpgradeOptions): void {
  const { address, request, reply, marks, onStream } = options
  const upgrade = upgrades.get(request.raw)
  if (upgrade === undefined) throw new UpstreamFailedError()
  // Some servers would read a body first and others frames: nobody could say where it ends.
  if (hasBody(request.raw)) throw new UpgradeUnsupportedError()
  const { socket } = upgrade
  let connected = false
  const outgoing = (address.secure ? https : http).request({
    ...(address.socketPath === undefined
      ? { host: address.hostname, port: address.port }
      : { socketPath: address.socketPath }),
    ...(address.secureContext === undefined ? {} : { secureContext: address.secureContext }),
    method: 'GET',
    path: options.path,
    headers: [...options.headers, 'Connection', 'Upgrade', 'Upgrade', 'websocket'],
    agent: false,
    setHost: false
  })
  const timer = setTimeout(() => outgoing.destroy(new UpstreamTimeoutError()), options.timeoutMs)
  const abandon = () => {
    socket.destroy()
    outgoing.destroy()
  }
  // A socket that nobody reads does not tell that its other end is gone.
  const early = [upgrade.head]
  const keep = (chunk: Buffer) => {
    early.push(chunk)
    socket.pause()
  }
  socket.once('close', abandon).once('end', abandon).on('data', keep)
  const settle = () => {
    clearTimeout(timer)
    socket.pause().off('close', abandon).off('end', abandon).off('data', keep)
  }

  outgoing.on('socket', (upstream) => {
    upstream.once(address.secure ? 'secureConnect' : 'connect', () => {
      connected = true
    })
  })
  outgoing.on('error', (cause) => {
    settle()
    if (reply.sent) return
    if (socket.destroyed) reply.hijack()
    else reply.send(cause instanceof UpstreamTimeoutError ? cause : failure(connected, cause))
  })
  outgoing.on('response', (answer) => {
    settle()
    if (!isQuotable(answer)) {
      answer.destroy()
      reply.send(new UpstreamFailedError())
      return
    }
    // It may go on for long, and its client may leave meanwhile; what that still sends is read and dropped.
    socket.once('close', abandon).once('end', abandon).resume()
    reply.hijack()
    quote(answer, reply.raw, marks(), onStream)
  })
  outgoing.on('upgrade', (answer, upstream, upstreamHead) => {
    settle()
    reply.hijack()
    reply.raw.detachSocket(request.raw.socket)
    socket.write(handshake(answer, clientHead(answer.rawHeaders, marks()).headers), 'latin1')
    const live = relay({ socket, head: Buffer.concat(early) }, { socket: upstream, head: upstreamHead }, () =>
      options.onClose(live)
    )
    options.onOpen(live)
  })
  outgoing.end()
}

function failure(connected: boolean, cause: Error): Error {
  const refusal = connected ? new UpstreamFailedError() : new UpstreamUnreachableError()
  refusal.cause = cause
  return refusal
}

function handshake(answer: IncomingMessage, headers: readonly string[]): string {
  let head = `HTTP/1.1 101 ${answer.statusMessage || 'Switching Protocols'}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${head}\r\n`
}
