import t from 'tap'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { askRaw, openWire } from '../support/wire.ts'

// CVE-2024-22019: what stands behind a chunk's size belongs to no body, so no limit on bodies counted it.

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { ...noDatabase, CLIENT_TIMEOUT: '1' } })
const host = `Host: ${new URL(gateway.publicUrl).host}`
const post = ['POST /public/x HTTP/1.1', host, 'Transfer-Encoding: chunked', '', ''].join('\r\n')

t.test('chunk extensions are dropped while they are short', async (t) => {
  const framed = `3;a=b;c="d;\\"e"\r\nabc\r\n1;x\r\nd\r\n0;last\r\n\r\n`
  const answer = await askRaw(gateway.port, 'POST /public/x HTTP/1.1', [host, 'Transfer-Encoding: chunked'], framed)
  t.equal((answer.json() as Echo).bytes, 4)
})

t.test('an endless one ends the connection', async (t) => {
  const seen = upstream.requests.length
  const wire = await openWire(gateway.port)
  wire.write(`${post}1;`)
  let written = 0
  while (wire.received() === '' && written < 10_000_000) {
    wire.write('x'.repeat(4_096))
    written += 4_096
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  t.ok(written < 200_000, `${written} bytes were taken`)
  t.match(await wire.closed(), /^HTTP\/1\.1 (413|400) [\s\S]*"code":"(BODY_TOO_LARGE|REQUEST_MALFORMED)"/)
  t.notOk(upstream.requests.slice(seen).some(({ complete }) => complete))
})

t.test('a size that no number can hold is refused, however it is written', async (t) => {
  const seen = upstream.requests.length
  for (const size of [
    'f'.repeat(17),
    `${'0'.repeat(20)}${'f'.repeat(17)}`,
    '10000000000000003',
    'ffffffffffffffff0',
    '7fffffffffffffffffffffffffffffff',
    '-3',
    '+3',
    '0x3',
    '3h',
    ' 3',
    '3\t',
    '',
    '3,3',
    '3.0',
    '\u0663'
  ]) {
    const wire = await openWire(gateway.port)
    wire.write(Buffer.from(`${post}${size}\r\nabc\r\n0\r\n\r\n`))
    t.match(await wire.closed(), /^HTTP\/1\.1 400 [\s\S]*"code":"REQUEST_MALFORMED"/, JSON.stringify(size))
  }
  // A declared size that the body may not have is counted as it comes, never allocated.
  const wire = await openWire(gateway.port)
  wire.write(`${post}fffffffffffff\r\nabc`)
  t.match(await wire.closed(), /^HTTP\/1\.1 408 /)
  for (const request of upstream.requests.slice(seen)) t.notOk(request.complete)
})

t.test('trailers are bounded too', async (t) => {
  const wire = await openWire(gateway.port)
  wire.write(`${post}3\r\nabc\r\n0\r\n`)
  for (let i = 0; i < 100; i++) wire.write(`X-${i}: ${'x'.repeat(1_000)}\r\n`)
  t.match(await wire.closed(), /^HTTP\/1\.1 (431|400) /)
})
