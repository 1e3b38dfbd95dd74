import type { Duplex } from 'node:stream'

const lingerMs = 1_000

/**
 * Ends a connection that nobody reads any more, with a last word or without: its client gets a second to read what was
 * said. What it still sends is read and dropped; unread it would turn the end into a reset, or hide that the client is
 * gone and keep the connection for ever.
 */
export function letGo(socket: Duplex, lastWord?: string): void {
  socket.resume()
  socket.end(lastWord)
  setTimeout(() => socket.destroy(), lingerMs).unref()
}
