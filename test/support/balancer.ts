import { connect, createServer, type Socket } from 'node:net'
import type { Teardown } from './postgres.ts'

/** Somewhere that connections may go. */
export interface Backend {
  readonly port: number
  /** Answers 200 while it wants new connections. */
  readonly readyUrl: string
}

/** A balancer of TCP connections, closed with the test. It knows nothing of HTTP but its backends' readiness. */
export interface Balancer {
  readonly port: number
  add(backend: Backend): void
  remove(backend: Backend): void
  /** How many backends are ready, as it last saw. */
  readonly ready: () => number
}

const pollEveryMs = 50

/** Deals new connections out in turn over the backends that were ready when they were last asked. */
export async function startBalancer(t: Teardown): Promise<Balancer> {
  const backends = new Map<Backend, boolean>()
  const sockets = new Set<Socket>()
  let turn = 0

  const server = createServer({ allowHalfOpen: true }, (client) => {
    const ready = [...backends].filter(([, isReady]) => isReady).map(([backend]) => backend)
    turn++
    const backend = ready[turn % ready.length]
    if (backend === undefined) {
      client.destroy()
      return
    }
    const upstream = connect({ port: backend.port, host: '127.0.0.1', allowHalfOpen: true })
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => other.destroy())
      socket.on('close', () => sockets.delete(socket))
      socket.pipe(other)
    }
  })

  const asked = new Set<Backend>()
  const poll = setInterval(() => {
    for (const backend of backends.keys()) {
      // One question at a time, so that no old answer comes after a new one.
      if (asked.has(backend)) continue
      asked.add(backend)
      fetch(backend.readyUrl)
        .then(
          ({ ok }) => backends.has(backend) && backends.set(backend, ok),
          () => backends.has(backend) && backends.set(backend, false)
        )
        .finally(() => asked.delete(backend))
    }
  }, pollEveryMs)

  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const { port } = address
  t.teardown(() => {
    clearInterval(poll)
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    port,
    add: (backend) => void backends.set(backend, false),
    remove: (backend) => void backends.delete(backend),
    ready: () => [...backends.values()].filter(Boolean).length
  }
}
