import { createServer } from 'node:net'

/** Whether somebody already answers on this port of `localhost`, in either IP version. 0 never is in use. */
export async function portInUse(port: number): Promise<boolean> {
  if (port === 0) return false
  // A server on ::1 alone would leave 127.0.0.1 free, and still be the one that `localhost` leads to.
  return (await cannotListen(port, '127.0.0.1')) || (await cannotListen(port, '::1'))
}

/** The first port from this one on that nobody answers on; undefined where the next `tries` are all in use. */
export async function nextFreePort(from: number, tries: number): Promise<number | undefined> {
  for (let port = from; port < from + tries && port <= 65_535; port++) if (!(await portInUse(port))) return port
  return undefined
}

/** A port of 127.0.0.1 that the system has just found free. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ port: 0, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function cannotListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve('code' in error && error.code === 'EADDRINUSE'))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(false)))
  })
}
