import { sessionCookieOn } from '../support/cookie-names.ts'
import type { Random } from './random.ts'

const upgrade =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'

/** Requests of nobody in particular, every one of them valid, for a gateway of this public host. */
export function seedsFor(host: string): string[] {
  const head = (line: string, ...lines: string[]) => `${[line, `Host: ${host}`, ...lines].join('\r\n')}\r\n\r\n`
  const cookie = `Cookie: ${sessionCookieOn(`http://${host}`)}`
  const signIn = '{"email":"ada@example.com","password":"wrong password"}'
  return [
    head('GET /public/ok HTTP/1.1'),
    head('GET /session/ok HTTP/1.1', 'Accept: text/html'),
    head('GET /optional/ok?x=/session/ok HTTP/1.1', 'Cookie: theme=dark; a=b'),
    head('GET /deny/ok HTTP/1.1'),
    head('GET /public/redirect HTTP/1.0'),
    head('HEAD /public/ok HTTP/1.1', 'Connection: close'),
    head('OPTIONS /public/ok HTTP/1.1', 'Origin: https://evil.example', 'Access-Control-Request-Method: PUT'),
    `${head('POST /public/ok HTTP/1.1', 'Content-Length: 11', 'Content-Type: text/plain')}hello world`,
    `${head('PUT /optional/ok HTTP/1.1', 'Transfer-Encoding: chunked', 'Trailer: X-T')}5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-T: 1\r\n\r\n`,
    `${head('POST /session/ok HTTP/1.1', 'Content-Length: 3')}abc`,
    `${head('POST /public/ok HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 3')}abc`,
    `${head('POST /public/error/418 HTTP/1.1', 'Transfer-Encoding: chunked')}a\r\n0123456789\r\n0\r\n\r\n`,
    `GET /public/ws HTTP/1.1\r\nHost: ${host}\r\n${upgrade}\r\n\x81\x85\x00\x00\x00\x00hello\x88\x80\x00\x00\x00\x00`,
    `GET /session/ws HTTP/1.1\r\nHost: ${host}\r\n${upgrade}\r\n`,
    `GET /public/ws-refused HTTP/1.1\r\nHost: ${host}\r\n${upgrade}\r\n`,
    head(
      'GET /public/ok HTTP/1.1',
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQ'
    ),
    head('GET /public/ok HTTP/1.1') + head('GET /session/ok HTTP/1.1') + head('GET /public/error/404 HTTP/1.1'),
    `${head('POST /public/ok HTTP/1.1', 'Content-Length: 2')}ab${head('GET /session/ok HTTP/1.1')}`,
    head('GET /api/auth/get-session HTTP/1.1', `${cookie}=abc.def`),
    `${head('POST /api/auth/sign-in/email HTTP/1.1', 'Content-Type: application/json', `Content-Length: ${signIn.length}`)}${signIn}`,
    head('GET /session/ok HTTP/1.1', `${cookie}=forged`, 'X-User-Id: forged', 'X_User_Id: forged'),
    `${head('POST /api/auth/sign-out HTTP/1.1', 'Content-Type: nonsense', 'Content-Length: 20')}abc`,
    `${head('PUT /api/auth/ok HTTP/1.1', 'Content-Type: text/plain', 'Content-Length: 2000000')}abc`,
    `${head('GET /api/auth/ok HTTP/1.1', 'Transfer-Encoding: chunked')}3\r\nabc\r\n`,
    head('CONNECT example.com:443 HTTP/1.1')
  ]
}

const fragments = [
  ...['\r\n', '\n', '\r', '\0', ' ', '\t', ':', ';', ',', '\r\n\r\n', '\n\n', '\r\r\n', '\x0b', '\x7f', '\xff', '\x80'],
  ...[
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding:\x0bchunked\r\n',
    'Transfer-Encoding: chunked, identity\r\n'
  ],
  ...[
    'Transfer-Encoding : chunked\r\n',
    'Content-Length: 5\r\n',
    'Content-Length: 0\r\n',
    'Content-Length: 99999999999\r\n'
  ],
  ...[
    'Content-Length: -1\r\n',
    'Content-Length: 5, 5\r\n',
    'Host: evil.example\r\n',
    'Host: a/b\r\n',
    'Connection: X-User-Id\r\n'
  ],
  ...[
    'Connection: close\r\n',
    'Connection: keep-alive\r\n',
    'Connection: Upgrade\r\n',
    'Upgrade: websocket\r\n',
    'Upgrade: h2c\r\n'
  ],
  ...[
    'X-User-Id: forged\r\n',
    'X.User.Email: forged\r\n',
    ' X-User-Id: forged\r\n',
    'Expect: 100-continue\r\n',
    'Expect: x\r\n'
  ],
  ...[
    'GET /session/ok HTTP/1.1\r\n',
    'GET /public/ok HTTP/1.1\r\n',
    ' HTTP/2.0',
    ' HTTP/1.0',
    ' HTTP/0.9',
    ' HTTP/1.2',
    'PRI * '
  ],
  ...[
    '0\r\n\r\n',
    'ffffffffffffffff\r\n',
    '5;x\n',
    '0x5\r\n',
    '+5\r\n',
    '5 \r\n',
    '-1\r\n',
    '00000000000000000005\r\n'
  ],
  ...[
    '/../',
    '//',
    '/%2e%2e/',
    '%2f',
    '%00',
    '\\',
    '#',
    '*',
    '/session/ok',
    '/public/ok',
    'http://localhost/',
    '%',
    '..;/'
  ],
  ...['Cookie: better-auth.session_token=a\r\n', 'Trailer: X-User-Id\r\n', 'Range: bytes=0-\r\n', 'TE: trailers\r\n']
]

type Mutation = (bytes: Buffer, random: Random, seeds: readonly string[]) => Buffer

const mutations: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const at = random.below(bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
    return bytes
  },
  function setByte(bytes, random) {
    bytes[random.below(bytes.length)] = random.below(256)
    return bytes
  },
  function insertFragment(bytes, random) {
    return spliced(bytes, random.below(bytes.length + 1), 0, latin1(random.pick(fragments)))
  },
  function insertAtLine(bytes, random) {
    const starts = lineStarts(bytes)
    return spliced(bytes, random.pick(starts), 0, latin1(random.pick(fragments)))
  },
  function remove(bytes, random) {
    return spliced(bytes, random.below(bytes.length), 1 + random.below(12), Buffer.alloc(0))
  },
  function repeatRange(bytes, random) {
    const from = random.below(bytes.length)
    const range = bytes.subarray(from, from + 1 + random.below(60))
    return spliced(bytes, from, 0, Buffer.concat(Array.from({ length: 1 + random.below(3) }, () => range)))
  },
  function repeatLine(bytes, random) {
    const from = random.pick(lineStarts(bytes))
    const end = bytes.indexOf('\n', from)
    return spliced(bytes, random.pick(lineStarts(bytes)), 0, bytes.subarray(from, end === -1 ? undefined : end + 1))
  },
  function splice(bytes, random, seeds) {
    const other = latin1(random.pick(seeds))
    return Buffer.concat([bytes.subarray(0, random.below(bytes.length)), other.subarray(random.below(other.length))])
  },
  function append(bytes, random, seeds) {
    return Buffer.concat([bytes, latin1(random.pick(seeds))])
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, 1 + random.below(bytes.length))
  },
  function overlong(bytes, random) {
    const filler = Buffer.alloc(
      random.pick([300, 9_000, 17_000, 70_000]),
      random.pick(['a', '0', ' ', '\t', ';', '%', '\r\n'])
    )
    return spliced(bytes, random.below(bytes.length + 1), 0, filler)
  },
  function otherNumber(bytes, random) {
    const text = bytes.toString('latin1')
    const numbers = [...text.matchAll(/\d+/g)]
    if (numbers.length === 0) return bytes
    const { index, 0: old } = random.pick(numbers)
    const value = random.pick([
      '0',
      '1',
      '3',
      '4096',
      '65536',
      '2147483648',
      '4294967296',
      '18446744073709551616',
      'f',
      '-1'
    ])
    return spliced(bytes, index, old.length, latin1(value))
  }
]

/** A few requests on one connection, some of them no longer valid. */
export function mutated(seeds: readonly string[], random: Random): Buffer {
  let bytes = latin1(random.pick(seeds))
  for (let more = random.below(3); more > 0; more--) bytes = Buffer.concat([bytes, latin1(random.pick(seeds))])
  for (let count = random.below(5); count > 0 && bytes.length > 0; count--) {
    bytes = random.pick(mutations)(bytes, random, seeds)
  }
  return bytes
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

function spliced(bytes: Buffer, at: number, removed: number, inserted: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)])
}

function lineStarts(bytes: Buffer): number[] {
  const starts = [0]
  for (let at = bytes.indexOf('\n'); at !== -1; at = bytes.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}
