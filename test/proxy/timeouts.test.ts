import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { openWire } from '../support/wire.ts'

const upstream = await startEchoUpstream(t, (request, response) => {
  if (request.url === '/public/slow-body') {
    response.writeHead(200)
    response.write('first')
    setTimeout(() => response.end('last'), 2_500)
  } else if (request.url === '/public/answer') request.resume().on('end', () => response.end('ok'))
  else request.resume()
})
const gateway = await startTestGateway(t, {
  upstreamUrl: upstream.url,
  env: { CLIENT_TIMEOUT: '0.5', UPSTREAM_TIMEOUT: '1' }
})
const host = `Host: ${new URL(gateway.publicUrl).host}`

async function send(head: string, ...lines: string[]) {
  const wire = await openWire(gateway.port)
  t.teardown(() => wire.destroy())
  wire.write(`${[head, host, ...lines].join('\r\n')}\r\n\r\n`)
  return wire
}

t.test('a body that stops coming is given up, and so is its connection', async (t) => {
  for (const framing of ['Content-Length: 10', 'Transfer-Encoding: chunked']) {
    const wire = await send('POST /public/x HTTP/1.1', framing)
    wire.write(framing.startsWith('C') ? 'abc' : '3\r\nabc\r\n')
    const received = await wire.closed()
    t.match(received, /^HTTP\/1\.1 408 [\s\S]*"code":"REQUEST_TIMEOUT"/)
  }
  await until(() => upstream.requests.every(({ destroyed }) => destroyed))
  t.notOk(upstream.requests.some(({ complete }) => complete))
})

t.test('a body that trickles in is not', async (t) => {
  // More patient than the other, so that a machine that stands still for a moment is not taken for a client that does.
  const patient = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: { ...noDatabase, CLIENT_TIMEOUT: '3', UPSTREAM_TIMEOUT: '3' }
  })
  const wire = await openWire(patient.port)
  t.teardown(() => wire.destroy())
  const { host } = new URL(patient.publicUrl)
  wire.write(`POST /public/answer HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 10\r\n\r\n`)
  for (const byte of 'abcdefghij') {
    wire.write(byte)
    await new Promise((resolve) => setTimeout(resolve, 400))
  }
  t.match(await wire.until(/ok$/), /^HTTP\/1\.1 200 /)
})

t.test('a refused client that stops sending is cut off', async (t) => {
  const wire = await send('POST /me HTTP/1.1', 'Content-Length: 10')
  t.match(await wire.closed(), /^HTTP\/1\.1 401 /)
})

t.test('an upstream that does not answer in time is given up', async (t) => {
  for (const [head, ...lines] of [
    ['GET /public/never HTTP/1.1'],
    ['POST /public/never HTTP/1.1', 'Content-Length: 0'],
    ['GET /public/never HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: eA==']
  ]) {
    const wire = await send(head ?? '', ...lines)
    t.match(await wire.until(/UPSTREAM_TIMEOUT/), /^HTTP\/1\.1 504 /)
  }
  await until(() =>
    upstream.requests.filter(({ url }) => url === '/public/never').every(({ socket }) => socket.destroyed)
  )
})

t.test('a response may take as long as it likes', async (t) => {
  const wire = await send('GET /public/slow-body HTTP/1.1')
  t.match(await wire.until(/last/), /first/)
})
