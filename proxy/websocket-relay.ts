import type { Duplex } from 'node:stream'
import { closeFrame, FrameGate } from './websocket-frames.ts'

/** One end of a WebSocket connection, and what has arrived of its frames already. */
export interface Side {
  readonly socket: Duplex
  readonly head: Buffer
}

/** A WebSocket that is open through the gateway. */
export interface LiveSocket {
  /** Says goodbye to both sides between two frames; cuts the connection when they do not answer within a second. */
  close(code: number, reason: string): void
}

const goodbyeMs = 1_000

/** Carries frames between two ends, byte for byte with back-pressure, until either closes; `onClose` is called once. */
export function relay(client: Side, upstream: Side, onClose: () => void): LiveSocket {
  const toClient = new FrameGate()
  const toUpstream = new FrameGate()
  for (const { socket } of [client, upstream]) {
    if ('setNoDelay' in socket && typeof socket.setNoDelay === 'function') socket.setNoDelay(true)
    if ('setTimeout' in socket && typeof socket.setTimeout === 'function') socket.setTimeout(0)
    socket.on('error', () => cut())
    socket.on('close', () => cut())
  }
  let open = true
  const cut = () => {
    if (!open) return
    open = false
    client.socket.destroy()
    upstream.socket.destroy()
    onClose()
  }
  if (client.head.length > 0) toUpstream.write(client.head)
  if (upstream.head.length > 0) toClient.write(upstream.head)
  client.socket.pipe(toUpstream).pipe(upstream.socket)
  upstream.socket.pipe(toClient).pipe(client.socket)

  return {
    close(code, reason) {
      toClient.finish(closeFrame(code, reason, false))
      toUpstream.finish(closeFrame(code, reason, true))
      setTimeout(cut, goodbyeMs).unref()
    }
  }
}
