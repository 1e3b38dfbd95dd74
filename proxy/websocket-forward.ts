import type { FastifyReply } from 'fastify'
import type { EndReason, LiveConnection } from '../auth/live-connection-limits.ts'
import { Refusal } from '../auth/refusals.ts'
import { type ForwardServices, HttpForward, refusalWithoutPlace } from './http-forward.ts'
import { hasBody } from './request-body.ts'
import type { RequestContext } from './request-context.ts'
import { clientHead } from './response-headers.ts'
import type { ConnectionPool } from './upstream/connection-pool.ts'
import { relay } from './websocket-relay.ts'
import { upgradeOf } from './websocket-upgrade-routing.ts'

// Bytes of frames that a client may send before its handshake is answered.
const earlyBytesLimit = 65_536

/**
 * Takes the client's handshake to the upstream and the upstream's answer back, whichever it is: the browser sees the
 * chosen subprotocol, the extensions, or the refusal with its status. After that bytes pass unchanged. Throws
 * UPGRADE_UNSUPPORTED for a handshake with a body, UPSTREAM_BUSY or RATE_LIMITED where too many are open.
 */
export function forwardUpgrade(
  context: RequestContext,
  reply: FastifyReply,
  upstream: { readonly connections: ConnectionPool; readonly headers: string[] },
  services: ForwardServices
): void {
  const { raw, identity } = context
  const { live, onOutcome } = services
  const upgrade = upgradeOf(raw)
  if (upgrade === undefined) throw new Refusal('UPSTREAM_FAILED')
  // Some servers would read a body first and others frames, and nobody could say where the body ends.
  if (hasBody(raw)) throw new Refusal('UPGRADE_UNSUPPORTED')
  const { socket } = upgrade
  let relayed: LiveConnection | undefined
  let ended: EndReason | undefined
  const connection: LiveConnection = {
    kind: 'websocket',
    end(reason) {
      if (relayed !== undefined) relayed.end(reason)
      // While the upstream has not answered there is no WebSocket to close. A second call waits for it no longer.
      else if (ended === undefined) ended = reason
      else socket.destroy()
    }
  }
  const admission = live.admit(connection, context.holder)
  if (admission !== 'admitted') throw refusalWithoutPlace(admission)
  let untie = () => {}
  const release = () => {
    live.delete(connection)
    untie()
  }
  socket.once('close', release)

  // The socket is read from now on, because one that is not read does not tell that its other end is gone.
  const early = [upgrade.head]
  let earlyBytes = upgrade.head.length
  const onEnd = () => socket.destroy()
  const onData = (chunk: Buffer) => {
    early.push(chunk)
    earlyBytes += chunk.length
    if (earlyBytes >= earlyBytesLimit) socket.pause()
  }
  socket.once('end', onEnd).on('data', onData)

  const { connections, headers } = upstream
  const handshake = new HttpForward(
    context,
    reply,
    {
      connections,
      send: { path: context.target, method: 'GET', headers, body: null, upgrade: 'websocket' },
      repeatable: true,
      onUpgrade(rawHeaders, upstreamSocket) {
        socket.pause().off('end', onEnd).off('data', onData)
        reply.hijack()
        reply.raw.detachSocket(raw.socket)
        const head = clientHead(rawHeaders, context, services.cors)
        socket.write(switchingProtocols(head.headers), 'latin1')
        relayed = relay(
          { socket, head: Buffer.concat(early) },
          { socket: upstreamSocket, head: Buffer.alloc(0) },
          (outcome) => {
            release()
            onOutcome(raw, outcome, 101)
          }
        )
        if (identity !== null) untie = services.tie(identity, () => connection.end('session ended'))
        if (ended !== undefined) relayed.end(ended)
      }
    },
    services
  )
  // What a client sends behind a handshake that is refused is read and dropped.
  reply.raw.once('finish', () => socket.off('data', onData).resume())
  handshake.start()
}

function switchingProtocols(headers: readonly string[]): string {
  let head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${head}\r\n`
}
