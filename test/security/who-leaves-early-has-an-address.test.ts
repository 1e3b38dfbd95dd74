import { connect } from 'node:net'
import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { TRUSTED_PROXIES: '' } })
const host = `Host: ${new URL(gateway.publicUrl).host}`

// A socket that is closed no longer knows its peer. Whoever reset the connection behind a request was 0.0.0.0 upstream.
t.test('a client that is gone before its request is forwarded cannot hide its address', async (t) => {
  const request = `GET /public/x HTTP/1.1\r\n${host}\r\n\r\n`
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 5 }, () => sendAndReset(request)))
    await Promise.all(Array.from({ length: 5 }, () => sendAndEnd(request)))
  }
  await until(() => upstream.requests.length > 0)
  const addresses = upstream.requests.map(({ headers }) => headers['x-forwarded-for'])
  t.same([...new Set(addresses)], ['127.0.0.1'], `${addresses.length} requests`)
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

function sendAndEnd(bytes: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(gateway.port, '127.0.0.1', () => socket.end(bytes))
    socket.resume()
    socket.on('error', () => {})
    socket.on('close', () => resolve())
  })
}
