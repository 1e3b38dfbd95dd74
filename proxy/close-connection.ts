import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

const lingerMs = 1_000
const withoutProgressMs = 10_000

/**
 * Closes a connection whose requests are not read any more, after a last response if one is given: the client gets a
 * second to read it (RFC 9112, section 9.6). What the client still sends is read and dropped. Left unread it would turn
 * the close into a reset, or hide that the client is gone and keep the connection for ever.
 */
export function lingeringClose(socket: Duplex, response?: string): void {
  socket.resume()
  socket.end(response)
  setTimeout(() => socket.destroy(), lingerMs).unref()
}

/** The response that a connection is at; undefined for an idle connection, and for one that no longer speaks HTTP. */
export function responseOn(socket: object): ServerResponse | undefined {
  // Node has no public way to ask. Its own answer to a malformed request looks here, too.
  const response: unknown = Reflect.get(socket, '_httpMessage')
  return response instanceof ServerResponse ? response : undefined
}

/**
 * Writes a last response on a connection whose bytes are no requests any more, and closes it within a second, so that the
 * client gets to read it; at once where another response has begun, which the last one would become a part of. Returns
 * whether it was written.
 */
export function respondAndClose(socket: Duplex, response: string): boolean {
  // Node has let go of this socket, and an error without a listener ends the process.
  socket.on('error', () => socket.destroy())
  if (!socket.writable || responseOn(socket)?.headersSent === true) {
    socket.destroy()
    return false
  }
  lingeringClose(socket, response)
  return true
}

/** Ends a response as if it were whole, and cuts its connection if the client does not take the rest within a second. */
export function endWithin(response: ServerResponse): void {
  response.end()
  const timer = setTimeout(() => response.destroy(), lingerMs)
  timer.unref()
  response.once('close', () => clearTimeout(timer))
}

/**
 * Breaks a response off so that its client can tell: a body that is framed by a length or by chunks stays short of its
 * end. For HTTP/1.0 the end of the connection is the end of the body, so the connection is reset (RFC 9112, section 6.3).
 * `length`: the bytes that the response declared, undefined where it declared none.
 */
export function breakOff(request: IncomingMessage, response: ServerResponse, length: number | undefined): void {
  const endsWithConnection = response.headersSent && request.httpVersionMinor === 0 && length === undefined
  if (endsWithConnection) reset(request.socket)
  else response.destroy()
}

/**
 * Closes a connection with a reset. A socket that is just being shut down is destroyed instead, because Node would neither
 * reset nor ever close it. TLS and Unix sockets have no reset: they are closed without TLS's close_notify, or in the middle
 * of a frame.
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0) {
    socket.destroy()
    return
  }
  try {
    socket.resetAndDestroy()
  } catch {
    socket.destroy()
  }
}

/** Breaks a response off once the client has taken what was written before, or has taken nothing for ten seconds. */
export function breakOffOnceWritten(
  request: IncomingMessage,
  response: ServerResponse,
  length: number | undefined
): void {
  const { socket } = request
  let waiting = response.writableLength
  if (waiting === 0 || socket.destroyed) {
    breakOff(request, response, length)
    return
  }
  const timer = setInterval(() => {
    if (response.writableLength === waiting) socket.destroy()
    waiting = response.writableLength
  }, withoutProgressMs)
  timer.unref()
  response.once('close', () => clearInterval(timer))
  socket.write('', () => breakOff(request, response, length))
}
