import type { Duplex } from 'node:stream'
import { lingeringClose } from '../proxy/lingering-close.ts'
import { responseOn } from '../proxy/websocket-upgrade.ts'

/**
 * Says a last word on a connection whose bytes are no requests any more, and closes it: at once where an answer is being
 * written that the word would become a part of, otherwise within a second, so that the client gets to read it. Answers
 * whether it was said.
 */
export function hangUp(socket: Duplex, lastWord: string): boolean {
  // Nobody else listens: Node has let go of this socket, and an error without a listener ends the process.
  socket.on('error', () => socket.destroy())
  if (!socket.writable || responseOn(socket)?.headersSent === true) {
    socket.destroy()
    return false
  }
  lingeringClose(socket, lastWord)
  return true
}
