import { randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { createServer } from 'node:net'

// Below what Linux hands out by itself, to listeners that ask for any port and to clients: nobody is given one of these
// while whoever it belongs to is being restarted.
const first = 10_000
const count = 3_000
const held: Socket[] = []

/**
 * A port of loopback to listen on, and to listen on again, that no other caller is given as long as this process lives:
 * test files that run at the same time tell each other by the UDP port that lies as far above it as there are ports.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + randomInt(count)
    if ((await hold(port + count)) && (await isFree(port))) return port
  }
}

function hold(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', () => {
      socket.close()
      resolve(false)
    })
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => {
      socket.unref()
      held.push(socket)
      resolve(true)
    })
  })
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
