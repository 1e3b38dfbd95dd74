import { createServer } from 'node:net'

/** Whether somebody already answers on this port of `localhost`, in either IP version. 0 never is in use. */
export async function portInUse(port: number): Promise<boolean> {
  if (port === 0) return false
  // A server on ::1 alone would leave 127.0.0.1 free, and still be the one that `localhost` leads to.
  return (await cannotListen(port, '127.0.0.1')) || (await cannotListen(port, '::1'))
}

function cannotListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve('code' in error && error.code === 'EADDRINUSE'))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(false)))
  })
}
