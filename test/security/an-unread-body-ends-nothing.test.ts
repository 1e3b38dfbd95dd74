import { connect } from 'node:net'
import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { sendRaw } from '../support/raw-http.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const host = `Host: ${new URL(gateway.publicUrl).host}`

// The body's error had no listener, and ended the process.
t.test('a client that leaves in the middle of a body that nobody reads ends nothing but its connection', async (t) => {
  for (const lines of [
    ['POST /api/auth/sign-in/email HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 2000000'],
    ['POST /api/auth/sign-in/email HTTP/1.1', 'Content-Type: nonsense', 'Content-Length: 20'],
    ['GET /api/auth/ok HTTP/1.1', 'Content-Length: 20'],
    ['HEAD /api/auth/ok HTTP/1.1', 'Transfer-Encoding: chunked'],
    ['POST /me HTTP/1.1', 'Content-Length: 20'],
    ['POST /public/x HTTP/1.1', 'Content-Length: 20']
  ]) {
    const head = `${[...lines, host].join('\r\n')}\r\n\r\n`
    for (let i = 0; i < 10; i++) await sendAndReset(head)
    const clean = await sendRaw(gateway.port, `GET /public/x HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`)
    t.match(clean, /^HTTP\/1\.1 200 /, lines.join(', '))
  }
})

function sendAndReset(bytes: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(gateway.port, '127.0.0.1', () => {
      socket.write(bytes, () => setImmediate(() => socket.resetAndDestroy()))
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve())
  })
}
