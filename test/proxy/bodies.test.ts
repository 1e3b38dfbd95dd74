import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw, openWire } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { MAX_BODY_BYTES: '200000' } })
const host = `Host: ${new URL(gateway.publicUrl).host}`
const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex')

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

function ask(method: string, headers: readonly string[], body: string | Buffer = '') {
  return askRaw(gateway.port, `${method} /public/x HTTP/1.1`, [host, ...headers], body)
}

t.test('every method arrives, with a body or without', async (t) => {
  for (const method of methods) {
    t.match((await ask(method, [])).json(), { method, bytes: 0 })
    const body = randomBytes(500)
    t.match((await ask(method, ['Content-Length: 500'], body)).json(), { method, bytes: 500, sha256: sha256(body) })
  }
  t.equal((await ask('HEAD', [])).status, 200)
})

t.test('bytes arrive as they were sent, whatever they are said to be', async (t) => {
  const bodies: [string | undefined, Buffer][] = [
    ['text/plain', Buffer.from([0xff, 0xfe, 0x00, 0xe9, 0x0d, 0x0a])],
    ['text/plain; charset=latin1', Buffer.from('caf\xe9', 'latin1')],
    ['application/json', Buffer.from('{"n": 12345678901234567890, "n":  1.0}')],
    ['application/json', Buffer.from('{not json')],
    ['application/json; charset="utf-8"; x', Buffer.from('\ufeff{}')],
    ['application/x-www-form-urlencoded', Buffer.from('a=%zz&b=+&&=')],
    ['application/octet-stream', randomBytes(70_000)],
    ['image/gif', Buffer.alloc(0)],
    ['no media type', Buffer.from('x')],
    ['', Buffer.from('x')],
    [';;', Buffer.from('x')],
    ['multipart/form-data', Buffer.from('no boundary')],
    [undefined, Buffer.from('x')]
  ]
  for (const [type, body] of bodies) {
    const headers = type === undefined ? [] : [`Content-Type: ${type}`]
    const answer = await ask('POST', [...headers, `Content-Length: ${body.length}`], body)
    const echo = answer.json() as Echo
    t.equal(echo.sha256, sha256(body), `${type}`)
    t.equal(echo.headers['content-type'], type, `${type}`)
    t.equal(echo.headers['content-length'], String(body.length), `${type}`)
  }
})

t.test('a form with files keeps its boundary and its bytes', async (t) => {
  const form = new FormData()
  form.set('title', 'a \u20ac')
  form.set('file', new Blob([randomBytes(50_000)], { type: 'image/png' }), 'b"c.png')
  const request = new Request('http://x', { method: 'POST', body: form })
  const body = Buffer.from(await request.arrayBuffer())
  const type = request.headers.get('content-type') ?? ''
  const echo = (await ask('POST', [`Content-Type: ${type}`, `Content-Length: ${body.length}`], body)).json() as Echo
  t.equal(echo.sha256, sha256(body))
  t.equal(echo.headers['content-type'], type)
})

t.test('a chunked body arrives whole, without its extensions', async (t) => {
  for (const method of methods) {
    const framed = '3\r\nabc\r\n4;x="y"\r\ndefg\r\n0\r\n\r\n'
    const echo = (await ask(method, ['Transfer-Encoding: chunked'], framed)).json() as Echo
    t.match(echo, { method, bytes: 7, sha256: sha256('abcdefg') })
  }
  t.match((await ask('POST', ['Transfer-Encoding: chunked'], '0\r\n\r\n')).json(), { bytes: 0 })
})

t.test('a compressed body is not unpacked', async (t) => {
  const body = randomBytes(100)
  const echo = (await ask('POST', ['Content-Encoding: gzip', 'Content-Length: 100'], body)).json() as Echo
  t.equal(echo.sha256, sha256(body))
  t.equal(echo.headers['content-encoding'], 'gzip')
})

t.test('a body is limited, declared or not', async (t) => {
  const seen = upstream.requests.length
  for (const headers of [['Content-Length: 200001'], ['Content-Length: 99999999999', 'Expect: 100-continue']]) {
    const answer = await ask('POST', headers, '')
    t.equal(answer.status, 413)
    t.match(answer.json(), { code: 'BODY_TOO_LARGE' })
  }
  t.equal(upstream.requests.length, seen, 'a body that is declared too large does not reach the upstream')
  const chunk = `${(50_000).toString(16)}\r\n${'x'.repeat(50_000)}\r\n`
  const streamed = await ask('POST', ['Transfer-Encoding: chunked'], `${chunk.repeat(5)}0\r\n\r\n`)
  t.equal(streamed.status, 413)
  t.match(streamed.json(), { code: 'BODY_TOO_LARGE' })
  t.equal((await ask('POST', ['Content-Length: 200000'], 'x'.repeat(200_000))).status, 200)
})

t.test('a client that is still sending gets to read its refusal, and its connection goes on', async (t) => {
  const wire = await openWire(gateway.port)
  wire.write(`POST /me HTTP/1.1\r\n${host}\r\nContent-Length: 150000\r\n\r\n`)
  await wire.until(/SESSION_REQUIRED/)
  wire.write(Buffer.alloc(150_000))
  wire.write(`GET /public/next HTTP/1.1\r\n${host}\r\n\r\n`)
  t.match(await wire.until(/"\/public\/next"/), /401 Unauthorized[\s\S]*200 OK/)
  wire.destroy()
})

t.test('a refused client that sends on and on is cut off', async (t) => {
  const wire = await openWire(gateway.port)
  wire.write(`POST /me HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n`)
  await wire.until(/SESSION_REQUIRED/)
  const chunk = `${(50_000).toString(16)}\r\n${'x'.repeat(50_000)}\r\n`
  for (let i = 0; i < 6; i++) wire.write(chunk)
  await wire.closed()
  t.pass('the connection was closed')
})
