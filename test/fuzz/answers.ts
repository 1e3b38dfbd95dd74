import type { Random } from './random.ts'

const usual = ['200', '200', '206', '204', '304', '403', '500', '103']
const odd = ['000', '099', '100', '101', '102', '199', '205', '600', '999', '20', '2000']
const reasons = ['', ' ', ' \xe9', ' a\tb', ' \0']

const lines = [
  ...['Content-Length: 5', 'Content-Length: 5', 'content-length: 3', 'Content-Length: 0', 'Content-Length: 5, 5'],
  ...['Content-Length: -1', 'Content-Length: 99999999999999999999', 'Content-Length:'],
  ...['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked'],
  ...['Transfer-Encoding: identity', 'Trailer: X-Sum', 'Trailer: Content-Length', 'TE: trailers'],
  ...['Connection: close', 'Connection: keep-alive, x-a', 'Connection: Upgrade', 'Upgrade: websocket', 'Upgrade: h2c'],
  ...['Keep-Alive: timeout=0', 'Keep-Alive: timeout=a', 'Keep-Alive: timeout=99999999999', 'Sec-WebSocket-Accept: x'],
  ...['Set-Cookie: a=b', 'Set-Cookie: better-auth.session_token=x', 'Clear-Site-Data: "*", , "'],
  ...['Vary: *', 'Vary: ', 'Cache-Control: ', 'Content-Type: text/event-stream', 'Content-Encoding: gzip', 'Date: x'],
  ...['Link: <a>; rel=preload', 'Expect: 100-continue', 'Proxy-Authenticate: x', 'Access-Control-Allow-Origin: *'],
  ...['X-A: \xff\xfe', 'X-A: \x01', 'X\xe9: 1', 'X A: 1', ': 1', 'X-A', 'X-Empty:', 'X: a\r\n folded'],
  `X-Long: ${'x'.repeat(15_000)}`
]

const bodies = [
  ...['hello', 'hello', 'hello', '', 'he', 'hello world', 'x'.repeat(70_000), '\x81\x05hello', '\x88\x02\x03\xe8'],
  ...[
    '5\r\nhello\r\n0\r\n\r\n',
    '5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n',
    '5;a=b\r\nhello\r\n0\r\n\r\n',
    'zz\r\n',
    '0\r\n\r\n'
  ],
  '5\r\nhello\r\n0\r\nSet-Cookie: better-auth.session_token=x\r\nContent-Length: 4\r\n: \r\n\r\n'
]

/** What an upstream may say that is broken, or means harm: HTTP for the most part, and in some places not. */
export function brokenAnswer(random: Random): Buffer {
  let answer = ''
  for (let heads = random.chance(0.3) ? 2 : 1; heads > 0; heads--) answer += head(random)
  answer += random.pick(bodies)
  if (random.chance(0.1)) answer += head(random) + random.pick(bodies)
  if (random.chance(0.1)) answer = answer.slice(0, random.below(answer.length))
  return Buffer.from(answer, 'latin1')
}

function head(random: Random): string {
  const version = random.chance(0.95) ? '1.1' : random.pick(['1.0', '1.2', '2.0'])
  const status = random.pick(random.chance(0.7) ? usual : odd)
  const reason = random.chance(0.85) ? ' OK' : random.pick(reasons)
  let text = `HTTP/${version} ${status}${reason}\r\n`
  for (let left = random.below(4); left > 0; left--) text += random.pick(lines) + (random.chance(0.99) ? '\r\n' : '\n')
  return `${text}\r\n`
}
