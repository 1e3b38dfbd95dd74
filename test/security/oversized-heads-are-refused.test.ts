import t from 'tap'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { askRaw, openWire } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)
upstream.server.maxHeadersCount = 0
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: noDatabase })
const host = `Host: ${new URL(gateway.publicUrl).host}`

t.test('a head over 16 KiB is refused, whatever makes it long', async (t) => {
  for (const lines of [
    [`X: ${'x'.repeat(17_000)}`],
    [`${'X'.repeat(17_000)}: x`],
    [`Cookie: ${'a=1; '.repeat(4_000)}`],
    Array.from({ length: 1_000 }, (_, i) => `X-${i}: ${'x'.repeat(20)}`)
  ]) {
    const answer = await askRaw(gateway.port, 'GET /public/x HTTP/1.1', [host, ...lines])
    t.equal(answer.status, 431)
    t.match(answer.json(), { code: 'HEADERS_TOO_LARGE', status: 431 })
    t.equal(answer.only('connection'), 'close')
  }
  t.equal(upstream.requests.length, 0)
})

t.test('a head that never ends costs no more than one that is too long', async (t) => {
  const wire = await openWire(gateway.port)
  wire.write(`GET /public/x HTTP/1.1\r\n${host}\r\n`)
  let written = 0
  while (wire.received() === '' && written < 10_000_000) {
    wire.write(`X-${written}: ${'x'.repeat(1_000)}\r\n`)
    written += 1_000
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  t.ok(written < 200_000, `${written} bytes were taken`)
  t.match(await wire.closed(), /^HTTP\/1\.1 431 /)
})

t.test('no header is lost or let through for being one of many', async (t) => {
  const many = Array.from({ length: 2_500 }, () => 'a:1')
  const lines = [host, ...many, 'Content-Length: 3', 'X-User-Id: a-lie', 'Last: 1']
  const answer = await askRaw(gateway.port, 'POST /public/x HTTP/1.1', lines, 'abc')
  t.equal(answer.status, 200)
  const { rawHeaders, bytes } = answer.json() as Echo
  t.equal(bytes, 3)
  t.notOk(rawHeaders.includes('a-lie'))
  t.equal(rawHeaders.filter((name) => name === 'a').length, many.length)
  t.ok(rawHeaders.includes('Last'))
  const twoHosts = await askRaw(gateway.port, 'GET /public/x HTTP/1.1', [host, ...many, 'Host: evil.example'])
  t.match(twoHosts.json(), { code: 'HOST_INVALID' })
})
