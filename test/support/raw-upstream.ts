import { createServer, type Server, type Socket } from 'node:net'

/** A connection to the raw upstream, and what came on it. */
export interface UpstreamConnection {
  readonly socket: Socket
  /** Everything that the gateway has sent on this connection, as Latin-1. */
  received(): string
}

export interface RawUpstream {
  readonly url: string
  readonly server: Server
  /** Every connection that was made, in order. */
  readonly connections: UpstreamConnection[]
}

/**
 * An upstream that says exactly these bytes: `answer` is called once for every request head that arrives, with the
 * number of heads before it. Closed with the test.
 */
export async function startRawUpstream(
  t: { teardown(work: () => void): void },
  answer: (connection: UpstreamConnection, head: string, count: number) => void
): Promise<RawUpstream> {
  const connections: UpstreamConnection[] = []
  let count = 0
  const server = createServer((socket) => {
    let received = ''
    let read = 0
    const connection = { socket, received: () => received }
    connections.push(connection)
    socket.setEncoding('latin1')
    socket.on('error', () => socket.destroy())
    socket.on('data', (text) => {
      received += text
      for (;;) {
        const from = received.slice(read).search(/[A-Z]+ \/\S* HTTP\/1\.1\r\n/)
        const end = received.indexOf('\r\n\r\n', read + Math.max(from, 0))
        if (from === -1 || end === -1) return
        const head = received.slice(read + from, end + 4)
        read = end + 4
        answer(connection, head, count++)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const { socket } of connections) socket.destroy()
  })
  const address = server.address()
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, server, connections }
}
