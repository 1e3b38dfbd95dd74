import { connect } from 'node:net'
import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

// Answers every handshake like any other request: with 200 and no upgrade.
const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const host = `Host: ${new URL(gateway.publicUrl).host}`
const upgrade = [
  ...[
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='
  ]
]

// Bytes behind a refusal that nobody read kept its connection open for ever, with its descriptor.
t.test('a client that goes on sending behind a refusal is cut off', async (t) => {
  for (const [requestLine, status] of [
    ['GET /me HTTP/1.1', 401],
    ['GET /deny/x HTTP/1.1', 404],
    ['GET //x HTTP/1.1', 400],
    ['GET /public/x HTTP/1.1', 200],
    ['CONNECT example.com:443 HTTP/1.1', 405]
  ] as const) {
    const lines = [requestLine, host, ...(requestLine.startsWith('GET') ? upgrade : [])]
    const { received, isCutOff } = await goOnSending(`${lines.join('\r\n')}\r\n\r\n\x81`)
    t.match(received, new RegExp(`^HTTP/1\\.1 ${status} `), requestLine)
    t.ok(isCutOff, `${requestLine}: cut off`)
  }
})

function goOnSending(handshake: string): Promise<{ received: string; isCutOff: boolean }> {
  return new Promise((resolve) => {
    let received = ''
    let again: NodeJS.Timeout | undefined
    const socket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true }, () => {
      socket.write(handshake, 'latin1')
      again = setInterval(() => socket.write('x'), 50)
    })
    const limit = setTimeout(settle, 60_000, false)
    socket.setEncoding('latin1').on('data', (text) => {
      received += text
    })
    socket.on('error', () => settle(true))
    socket.on('close', () => settle(true))

    function settle(isCutOff: boolean): void {
      clearInterval(again)
      clearTimeout(limit)
      socket.destroy()
      resolve({ received, isCutOff })
    }
  })
}
