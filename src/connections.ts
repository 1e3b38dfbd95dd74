import { type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The connections of a server that are open, from now on. */
export function trackConnections(server: Server): ReadonlySet<Socket> {
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
  })
  return connections
}

/** The response that a connection is at; undefined for an idle one, and for one that speaks HTTP no more. */
export function responseOn(socket: object): ServerResponse | undefined {
  // Node has no public way to ask. Its own answer to a malformed request looks here, too.
  const response: unknown = Reflect.get(socket, '_httpMessage')
  return response instanceof ServerResponse ? response : undefined
}
