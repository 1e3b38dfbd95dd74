// The tiny upstream: 63 bytes of JSON to whoever asks. It also swallows and sends large bodies, and holds streams and
// WebSockets open.
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { announce } from './announce.ts'

const answer = Buffer.from(
  JSON.stringify({ message: 'hello from behind the proxy', items: [1, 2, 3], ok: true }).padEnd(63)
)
const megabyte = Buffer.alloc(1_048_576, 'x')

const server = createServer((request, response) => {
  if (request.method === 'POST') {
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    request.on('end', () => response.end(String(bytes)))
    return
  }
  const [, megabytes] = /^\/(?:public\/)?megabytes\/(\d+)$/.exec(request.url ?? '') ?? []
  if (megabytes !== undefined) return sendMegabytes(Number(megabytes))
  if (request.url?.endsWith('/stream') === true) {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: hello\n\n')
    return
  }
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
  response.end(answer)

  function sendMegabytes(left: number): void {
    if (left === 0) response.end()
    else if (response.write(megabyte)) setImmediate(sendMegabytes, left - 1)
    else response.once('drain', () => sendMegabytes(left - 1))
  }
})

// A proxy keeps its connections longer than the five seconds after which Node would close them.
server.keepAliveTimeout = 120_000
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
server.on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, () => {}))
announce(server)
