import { connect, type Socket } from 'node:net'

/** Sends these bytes and resolves to everything that comes back until the other side closes, or `until` matches. */
export function sendRaw(port: number, bytes: string | Buffer, until?: RegExp, limitMs = 30_000): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = ''
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    const limit = setTimeout(() => {
      socket.destroy()
      reject(new Error(`nothing came within ${limitMs} ms but: ${received}`))
    }, limitMs)
    const settle = () => {
      clearTimeout(limit)
      socket.destroy()
      resolve(received)
    }
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      received += chunk
      if (until?.test(received)) settle()
    })
    socket.on('close', settle)
    socket.on('error', settle)
  })
}
