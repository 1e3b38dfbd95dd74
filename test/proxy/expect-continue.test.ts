import t from 'tap'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { openWire, readAnswer } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { MAX_BODY_BYTES: '1000' } })
const host = `Host: ${new URL(gateway.publicUrl).host}`

async function expecting(path: string, ...lines: string[]) {
  const wire = await openWire(gateway.port)
  t.teardown(() => wire.destroy())
  wire.write([`POST ${path} HTTP/1.1`, host, 'Expect: 100-continue', ...lines, '', ''].join('\r\n'))
  return wire
}

t.test('a client that asks before it sends is told to go on once its request may pass', async (t) => {
  const wire = await expecting('/public/x', 'Content-Length: 3')
  t.equal(await wire.until(/\r\n\r\n/), 'HTTP/1.1 100 Continue\r\n\r\n')
  wire.write('abc')
  const answer = readAnswer(await wire.until(/"sha256":"\w+"}/))
  t.equal(answer.status, 200)
  const echo = answer.json() as Echo
  t.equal(echo.bytes, 3)
  t.notOk('expect' in echo.headers)
})

t.test('a request that is refused is not told to go on, and its connection is not used again', async (t) => {
  const seen = upstream.requests.length
  for (const [path, code, ...lines] of [
    ['/me', 'SESSION_REQUIRED', 'Content-Length: 3'],
    ['/deny/x', 'NOT_FOUND', 'Content-Length: 3'],
    ['/public/../x', 'PATH_AMBIGUOUS', 'Content-Length: 3'],
    ['/public/x', 'BODY_TOO_LARGE', 'Content-Length: 1001'],
    ['/public/x', 'HOST_INVALID', 'Content-Length: 3', 'Host: a']
  ] as const) {
    const wire = await expecting(path, ...lines)
    const received = await wire.closed()
    t.notMatch(received, /100 Continue/, code)
    t.match(received, new RegExp(`^HTTP/1\\.1 4\\d\\d [\\s\\S]*"code":"${code}"`))
  }
  t.equal(upstream.requests.length, seen)
})

t.test('one without a body is simply answered', async (t) => {
  const wire = await expecting('/public/x', 'Content-Length: 0')
  t.match(await wire.until(/"sha256"/), /^HTTP\/1\.1 200 /)
})

t.test('one that does not ask is not told', async (t) => {
  const wire = await openWire(gateway.port)
  wire.write(`POST /public/x HTTP/1.1\r\n${host}\r\nContent-Length: 3\r\n\r\nabc`)
  t.match(await wire.until(/"sha256"/), /^HTTP\/1\.1 200 /)
  wire.destroy()
})
