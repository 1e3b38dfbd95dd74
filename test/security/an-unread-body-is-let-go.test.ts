import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import t from 'tap'
import { type LimitedBody, limitedBody } from '../../proxy/request-body.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

// Bodies that were answered and never read counted as held up by a slow reader, and stayed for ever.
t.test('a body that is answered and not read is held no longer than its answer', async (t) => {
  const bodies: LimitedBody[] = []
  const server = createServer((request, response) => {
    bodies.push(limitedBody(request, response, { maxBytes: 1_000_000, idleMs: 50 }))
    setImmediate(() => response.end('no'))
  })
  server.listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const received = await sendAll((server.address() as AddressInfo).port, [
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'
  ])
  t.equal(received.match(/HTTP\/1\.1 200/g)?.length, 2, 'and the connection goes on')
  t.equal(bodies.length, 2)
  await until(() => bodies.every((body) => body.destroyed))
})

t.test('what BetterAuth refuses unread lets the next request of the connection pass', async (t) => {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
  const host = `Host: ${new URL(gateway.publicUrl).host}`
  const body = 'x'.repeat(100_000)
  const received = await sendAll(gateway.port, [
    `PUT /api/auth/nothing-here HTTP/1.1\r\n${host}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    `GET /public/next HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`
  ])
  t.match(received, /^HTTP\/1\.1 4\d\d /)
  t.match(received, /HTTP\/1\.1 200 [\s\S]*\/public\/next/)
})

/**
 * Sends requests on one connection, each once the one before it is answered; what came back until it was closed, or until
 * a second of silence behind the last answer.
 */
function sendAll(port: number, requests: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = ''
    let sent = 1
    const socket = connect(port, '127.0.0.1', () => socket.write(requests[0] ?? ''))
    socket.setTimeout(30_000, () => socket.destroy())
    socket.on('data', (chunk) => {
      received += chunk
      const answers = received.match(/HTTP\/1\.1 \d/g)?.length ?? 0
      const next = requests[sent]
      if (answers >= sent && next !== undefined) {
        sent++
        socket.write(next)
      } else if (answers === requests.length) socket.setTimeout(1_000)
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
  })
}
