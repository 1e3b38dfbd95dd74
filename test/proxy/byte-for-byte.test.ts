import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { askRaw, type WireAnswer } from '../support/wire.ts'

const skip = await withoutPython()
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const trusted = 'http://localhost:3999'

// Python's gzip writes the time of day into its head (RFC 1952, section 2.3), which may be another a moment later.
const withoutTime = (body: string) => body.replace(/^(\x1f\x8b\x08.).{4}/s, '$1')

// Said anew for every connection (RFC 9110, section 7.6.1), or different from one second to the next.
const ofTheHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date'])

/** Status, body and headers in their order and spelling, without what belongs to the connection. */
function essence(answer: WireAnswer) {
  const chunked = answer.all('transfer-encoding').length > 0
  const headers = answer.headers.filter(([name]) => !ofTheHop.has(name.toLowerCase()))
  return { status: answer.status, chunked, headers, body: withoutTime(answer.body) }
}

t.test('through the gateway and directly, the same requests get the same answers', { skip }, async (t) => {
  const dir = fileURLToPath(new URL('../support/apps', import.meta.url))
  const uvicorn = await startUvicorn(t, { dir, app: 'plain:app' })
  const gateway = await startTestGateway(t, { upstreamUrl: uvicorn.url, env: { TRUSTED_ORIGINS: trusted } })
  const { host } = new URL(gateway.publicUrl)

  /** Asks both, and holds the gateway's answer, less what it is documented to add, against FastAPI's own. */
  async function both(
    line: string,
    headers: readonly string[] = [],
    body: string | Buffer = '',
    { adds = ['Vary: Origin'], toFastApi = [] as readonly string[], toGateway = [] as readonly string[] } = {}
  ) {
    const request = `${line} HTTP/1.1`
    const length = body.length > 0 || /^(POST|PUT|PATCH)/.test(line) ? [`Content-Length: ${body.length}`] : []
    const sent = [`Host: ${host}`, ...headers, ...length]
    const direct = await askRaw(uvicorn.port, request, [...sent, ...toFastApi, 'X-Forwarded-Proto: http'], body)
    const behind = await askRaw(gateway.port, request, [...sent, ...toGateway], body)
    const { headers: got, ...rest } = essence(behind)
    const added = ['x-request-id', ...adds.map((each) => each.split(':')[0]?.toLowerCase())]
    t.same(rest, (({ headers: _, ...rest }) => rest)(essence(direct)), `${line} ${headers.join(' ')}`)
    t.same(
      got.filter(([name]) => !added.includes(name.toLowerCase())),
      essence(direct).headers.filter(([name]) => !added.includes(name.toLowerCase())),
      `${line}: headers`
    )
    for (const each of adds) {
      const [name = '', value = ''] = each.split(': ')
      const said = behind.all(name).join(', ')
      t.match(said, new RegExp(`(^|, )${value}(,|$)`), `${line} adds ${each}`)
      for (const own of direct.all(name)) t.ok(said.includes(own), `${line} keeps ${name}: ${own}`)
    }
    return behind
  }

  await t.test('every method, with a body and without', async () => {
    for (const method of methods) {
      await both(`${method} /public/mirror?a=1&b=%20&c`)
      await both(`${method} /public/mirror`, ['Content-Type: text/plain'], 'a body')
    }
    await both('GET /public/nowhere')
    await both('POST /public/cookies')
  })

  await t.test('bodies of every type, byte for byte', async (t) => {
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const zipped = gzipSync('text '.repeat(1_000))
    const bodies: [string, string | Buffer][] = [
      ['text/plain', Buffer.from([0xff, 0xfe, 0x00, 0xd8, 0xe9])],
      ['text/plain; charset=iso-8859-1', Buffer.from('caf\xe9', 'latin1')],
      ['text/html', '<p>\r\n\r\n</p>'],
      ['application/octet-stream', everyByte],
      ['application/octet-stream', randomBytes(1_000_000)],
      ['application/json', '{"n":12345678901234567890, "d":1.0, "e":1e400, "n":2}'],
      ['application/json', '{ broken'],
      ['application/json; charset=utf-16', Buffer.from('{"a":1}', 'utf16le')],
      ['application/x-www-form-urlencoded', 'a=1&a=2&b=%ff&c=+&%00=&=x'],
      ['application/xml', '<?xml version="1.0"?>\n<a/>'],
      ['application/cbor', Buffer.from([0xa1, 0x61, 0x61, 0x01])],
      ['image/png', randomBytes(70_000)],
      ['application/grpc', Buffer.from([0, 0, 0, 0, 1, 9])],
      ['nonsense', 'x'],
      ['a/b; c="d; e"', 'x'],
      ['', 'x']
    ]
    for (const [type, body] of bodies) {
      const answer = await both('POST /public/mirror', [`Content-Type: ${type}`], body)
      t.ok(Buffer.from(answer.body, 'latin1').equals(Buffer.from(body)), `${type}: it is what was sent`)
    }
    const packed = await both('PUT /public/mirror', ['Content-Type: text/plain', 'Content-Encoding: gzip'], zipped)
    t.ok(Buffer.from(packed.body, 'latin1').equals(zipped), 'nobody unpacked it')
    await both('POST /public/mirror', [], 'no type at all')
    await both('POST /public/mirror', [], '')
  })

  await t.test('JSON keeps the numbers that no double can hold', async (t) => {
    for (const body of [
      '{"n":123456789012345678901234567890}',
      '[9007199254740993,-0,1e22]',
      '"\\ud800"',
      '[]',
      'null'
    ]) {
      await both('POST /public/json', ['Content-Type: application/json'], body)
    }
    const big = await both('POST /public/json', ['Content-Type: application/json'], '[123456789012345678901]')
    t.equal(big.body, '[123456789012345678901]')
  })

  await t.test('forms and files', async () => {
    await both('POST /public/form', ['Content-Type: application/x-www-form-urlencoded'], 'a=1&a=2&b=%C3%A9&c=+')
    for (const boundary of ['x', '----WebKitFormBoundaryAaB03x', "'()+_,-./:=?"]) {
      const part = (head: string, body: string | Buffer) =>
        Buffer.concat([
          Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; ${head}\r\n\r\n`),
          Buffer.from(body),
          Buffer.from('\r\n')
        ])
      const body = Buffer.concat([
        part('name="file"; filename="a b.bin"', randomBytes(200_000)),
        part('name="file"; filename="\u00e9.txt"\r\nContent-Type: text/plain', '--x\r\n--x--'.repeat(3)),
        part('name="file"; filename="empty"', ''),
        Buffer.from(`--${boundary}--\r\n`)
      ])
      await both('POST /public/files', [`Content-Type: multipart/form-data; boundary="${boundary}"`], body)
    }
    await both('POST /public/files', ['Content-Type: multipart/form-data'], 'no boundary')
  })

  await t.test('answers of every kind', async (t) => {
    for (const path of ['chunks', 'odd-headers', 'none', 'slash', 'slash/', 'redirect', 'nowhere', 'zipped/text']) {
      await both(`GET /public/${path}`)
      await both(`HEAD /public/${path}`)
    }
    await both('DELETE /public/none')
    await both('GET /public/zipped/text', ['Accept-Encoding: gzip'])
    for (const code of [
      200, 201, 202, 203, 226, 300, 400, 401, 402, 403, 404, 409, 410, 418, 422, 429, 451, 500, 501, 503, 599
    ]) {
      await both(`GET /public/status/${code}`)
    }
    const cookies = await both('GET /public/cookies', ['Cookie: a=1; b="2, 3"; c=%20; d'])
    t.equal(cookies.all('set-cookie').length, 4)
    const redirect = await both('GET /public/redirect')
    t.equal(redirect.only('location'), `${gateway.publicUrl}/public/none`)
    t.equal((await both('GET /public/slash?x=1')).only('location'), `${gateway.publicUrl}/public/slash/?x=1`)
  })

  await t.test('files: ranges, validators, HEAD', async (t) => {
    const path = '/public/static/plain.py'
    const whole = await both(`GET ${path}`)
    const head = await both(`HEAD ${path}`)
    t.same([head.body, head.only('content-length')], ['', whole.only('content-length')])
    const etag = whole.only('etag') ?? ''
    for (const headers of [
      [`If-None-Match: ${etag}`],
      ['If-None-Match: "other"'],
      [`If-None-Match: "other", W/${etag}`],
      [`If-Modified-Since: ${whole.only('last-modified')}`],
      ['If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT'],
      ['Range: bytes=0-9'],
      ['Range: bytes=-5'],
      ['Range: bytes=100-'],
      ['Range: bytes=999999-'],
      ['Range: lines=1-2'],
      ['Range: bytes=0-9', `If-Range: ${etag}`],
      ['Range: bytes=0-9', 'If-Range: "other"']
    ]) {
      await both(`GET ${path}`, headers)
      await both(`HEAD ${path}`, headers)
    }
    t.equal((await both(`GET ${path}`, [`If-None-Match: ${etag}`])).status, 304)
    t.equal((await both(`GET ${path}`, ['Range: bytes=0-9'])).status, 206)
    // A new boundary each time: only their length can be compared.
    const [behind, direct] = await Promise.all(
      [gateway.port, uvicorn.port].map((port) =>
        askRaw(port, `GET ${path} HTTP/1.1`, [`Host: ${host}`, 'Range: bytes=0-4,10-14'])
      )
    )
    t.same([behind?.status, behind?.body.length], [206, direct?.body.length])
  })

  await t.test('what a client says reaches FastAPI as it would directly', async () => {
    for (const headers of [
      ['Authorization: Bearer x.y.z'],
      ['Accept-Language: de, en;q=0.5'],
      ['X-Requested-With: XMLHttpRequest'],
      ['Cookie: theme=dark; csrftoken=x']
    ]) {
      await both('GET /public/cookies', headers)
    }
  })

  await t.test('a page that is somebody’s own', async (t) => {
    const ada = new Browser(gateway.url, gateway.publicUrl)
    await ada.signUp('ada')
    const me = (await ada.ask('/me')).json() as Record<string, string>
    const answer = await both('GET /me', [], '', {
      adds: ['Vary: Cookie', 'Vary: Origin', 'Cache-Control: private'],
      toGateway: [`Cookie: ${ada.cookieHeader}`],
      toFastApi: Object.entries(me).map(([name, value]) => `${name}: ${value}`)
    })
    t.match(JSON.parse(answer.body), { 'x-user-email': 'ada@example.com', 'x-user-email-verified': 'false' })
  })

  await t.test('FastAPI’s own CORS: kept for its partners, replaced for the gateway’s trusted origins', async (t) => {
    const preflight = ['Access-Control-Request-Method: GET', 'Access-Control-Request-Headers: x-a']
    for (const origin of ['https://partner.example', 'https://evil.example', 'null']) {
      const get = await both('GET /public/shared/text', [`Origin: ${origin}`])
      const granted = origin === 'https://partner.example' ? origin : undefined
      t.equal(get.only('access-control-allow-origin'), granted)
      await both('OPTIONS /public/shared/text', [`Origin: ${origin}`, ...preflight])
    }
    const ask = (method: string, more: string[]) =>
      askRaw(gateway.port, `${method} /public/shared/text HTTP/1.1`, [`Host: ${host}`, `Origin: ${trusted}`, ...more])
    const get = await ask('GET', [])
    t.same(get.all('access-control-allow-origin'), [trusted], 'once, though FastAPI would allow it too')
    t.same(get.all('access-control-allow-credentials'), ['true'])
    t.same(
      get.all('access-control-expose-headers'),
      ['x-theirs, X-Request-Id, Retry-After'],
      'what FastAPI says is kept'
    )
    t.equal(get.body, 'shared')
    const answered = await ask('OPTIONS', preflight)
    t.same([answered.status, answered.all('access-control-allow-origin')], [204, [trusted]])
    t.match(answered.only('access-control-allow-methods'), /DELETE/, 'the gateway answers, not FastAPI')
  })
})
