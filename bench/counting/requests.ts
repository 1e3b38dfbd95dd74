import { once } from 'node:events'
import { connect } from 'node:net'
import type { Counter } from './header-copies.ts'

/**
 * Sends the same request so many times on one connection, each after the answer to the one before, and resolves to what
 * the counter counted during each. Makes no promise and no header object itself between a request and the end of its
 * answer. Rejects when an answer has another status or no `Content-Length`.
 */
export async function countEach(port: number, request: string, times: number, start: () => Counter): Promise<number[]> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const counts: number[] = []
  const counter = start()
  try {
    await new Promise<void>((done, fail) => {
      let text = ''
      let before = 0
      const ask = () => {
        text = ''
        before = counter.count
        socket.write(request)
      }
      socket.on('error', fail)
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
        const head = text.indexOf('\r\n\r\n')
        if (head === -1) return
        const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(text)?.[1] ?? Number.NaN)
        if (Number.isNaN(length) || !text.startsWith('HTTP/1.1 200 ')) return fail(new Error(text.slice(0, head)))
        if (text.length < head + 4 + length) return
        // What the server still does once it has answered counts as well.
        setImmediate(() =>
          setImmediate(() => {
            counts.push(counter.count - before)
            if (counts.length < times) ask()
            else done()
          })
        )
      })
      ask()
    })
  } finally {
    counter.stop()
    socket.destroy()
  }
  return counts
}
