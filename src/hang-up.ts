import { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { letGo } from '../proxy/let-go.ts'

/**
 * Says a last word on a connection whose bytes are no requests any more, and closes it: at once where an answer is being
 * written that the word would become a part of, otherwise within a second, so that the client gets to read it.
 */
export function hangUp(socket: Duplex, lastWord: string): void {
  // Nobody else listens: Node has let go of this socket, and an error without a listener ends the process.
  socket.on('error', () => socket.destroy())
  if (!socket.writable || isAnswering(socket)) {
    socket.destroy()
    return
  }
  letGo(socket, lastWord)
}

// Node has no public way to ask which response a socket is at. Its own answer to a malformed request looks here, too.
function isAnswering(socket: Duplex): boolean {
  const response: unknown = Reflect.get(socket, '_httpMessage')
  return response instanceof ServerResponse && response.headersSent
}
