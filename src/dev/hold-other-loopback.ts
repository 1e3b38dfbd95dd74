import { connect, createServer, isIPv6, type Socket } from 'node:net'
import { codeOf } from '../../db/error-code.ts'
import { ConfigError } from '../config/environment.ts'

/**
 * Holds a port on the loopback address of the other IP version than `host`, and leads what comes there to `host`:
 * browsers try both for `localhost`, so that whoever else had the other would be sent what is meant for this origin.
 * Resolves to what lets go of it; undefined where there is no such address. Throws a ConfigError where somebody has it.
 */
export async function holdOtherLoopback(host: string, port: number): Promise<(() => void) | undefined> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const gateway = connect({ host, port, allowHalfOpen: true })
    lead(client, gateway)
    lead(gateway, client)
  })

  function lead(from: Socket, to: Socket): void {
    open.add(from)
    from.pipe(to)
    // A connection that was cut is no answer that has ended.
    from.on('error', () => to.resetAndDestroy())
    from.on('close', () => {
      open.delete(from)
      to.destroySoon()
    })
  }

  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: isIPv6(host) ? '127.0.0.1' : '::1', port, exclusive: true }, resolve)
    })
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') return undefined
    throw new ConfigError([`PORT: ${port} is in use: stop what listens there, or give another with --port`])
  }
  return () => {
    server.close()
    for (const socket of open) socket.destroy()
  }
}
