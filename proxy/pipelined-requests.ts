import type { Socket } from 'node:net'
import type { onRequestHookHandler } from 'fastify'

/** Requests of one connection that may wait for the one before them. Browsers and proxies send none. */
export const waitingAtMost = 100

/**
 * The hook that has pipelined requests worked on one after the other, in the order in which they are answered: all at
 * once, a single connection could have the upstream work on thousands. Each that waits is held in memory, and behind an
 * answer that never ends there would be no end to them: the connection is cut at the first that is one too many.
 */
export function createAwaitTurn(): onRequestHookHandler {
  const waiting = new WeakMap<Socket, number>()

  return function awaitTurn({ raw: { socket } }, reply, done) {
    if (reply.raw.socket !== null) return done()
    const before = waiting.get(socket) ?? 0
    waiting.set(socket, before + 1)
    if (before >= waitingAtMost) {
      socket.destroy()
      return
    }
    reply.raw.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1)
      done()
    })
  }
}
