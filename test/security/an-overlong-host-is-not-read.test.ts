import t from 'tap'
import { isOverlong, originOf } from '../../auth/input-limits.ts'
import { sessionCookieOn } from '../support/cookie-names.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

// A `callbackURL` whose host has 5,000 letters that are not ASCII kept the process busy for 0.6 s: the URL parser takes
// time that grows with the square of such a host, and BetterAuth reads an address several times for each trusted origin.

const letters = Array.from({ length: 5_000 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7_919) % 20_000))).join('')
const host = `http://${letters}`
// As it has to be in a head: 16 KiB of it.
const escaped = `http://${encodeURIComponent(letters.slice(0, 1_500))}`

// Sees to how much of a host the URL parser is given.
const Parser = globalThis.URL
let longest = 0
function note(address: unknown): void {
  const [, read = ''] = /^\s*[a-z][a-z0-9+.-]*:[/\\]*([^/\\?#]*)/i.exec(String(address)) ?? []
  longest = Math.max(longest, read.length)
}
globalThis.URL = class extends Parser {
  constructor(address: string | URL, base?: string | URL) {
    note(address)
    super(address, base)
  }
  static override canParse(address: string, base?: string): boolean {
    note(address)
    return Parser.canParse(address, base)
  }
}
t.teardown(() => {
  globalThis.URL = Parser
})

t.test('an address is overlong by its host, however it is written', async (t) => {
  const written = [
    host,
    `${host}/path?query#fragment`,
    `https:${letters}`,
    `https:/${letters}`,
    `https:\\\\${letters}`,
    `https:////${letters}`,
    `ht\ttps:/\n/\t${letters}`,
    `  \u0001https://${letters}`,
    `https://user:password@${letters}:443/`,
    `https://${'a'.repeat(1_000)}@localhost/`,
    `HTTPS://${'%E4%B8%80'.repeat(200)}`,
    `ws://${'a.'.repeat(200)}`
  ]
  for (const address of written) {
    t.equal(isOverlong(address), true, address.slice(0, 20))
    t.equal(originOf(address), undefined)
  }
  const ordinary = [
    '/path',
    `/${letters}`,
    `http://localhost/${letters}`,
    `http://localhost?${letters}`,
    `http://localhost#${letters}`,
    `http://${'a'.repeat(63)}.example:8080/`,
    'app://callback',
    ''
  ]
  for (const address of ordinary) t.equal(isOverlong(address), false, address.slice(0, 20))
  t.equal(originOf(`http://localhost/${letters}`), 'http://localhost')
  t.equal(originOf('no address'), undefined)
})

t.test('a host that is longer than any is refused unread, wherever a client puts it', async (t) => {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
  const own = `Origin: ${gateway.publicUrl}`
  let address = 0
  async function ask(requestLine: string, headers: readonly string[], body: string | object = '') {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const type = typeof body === 'string' ? 'application/x-www-form-urlencoded' : 'application/json'
    const framing = [`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(text)}`]
    // Each from an address of its own, so that none is refused for there being many.
    const from = [`Host: ${new Parser(gateway.publicUrl).host}`, `X-Forwarded-For: 10.9.2.${++address}`]
    longest = 0
    const answer = await askRaw(gateway.port, requestLine, [...from, ...framing, ...headers], text)
    t.ok(longest < 400, `${requestLine.slice(0, 40)}: the parser was given a host of ${longest} characters`)
    return answer
  }
  const signIn = 'POST /api/auth/sign-in/email HTTP/1.1'
  const entered = { email: 'ada@example.com', password: 'x'.repeat(10) }
  for (const field of ['callbackURL', 'redirectTo', 'errorCallbackURL', 'newUserCallbackURL'])
    t.equal((await ask(signIn, [own], { ...entered, [field]: host })).status, 403, field)
  const query = `callbackURL=${encodeURIComponent(escaped).slice(0, 14_000)}`
  t.equal((await ask(`GET /api/auth/verify-email?token=x&${query} HTTP/1.1`, [own])).status, 403)
  for (const name of ['Origin', 'Referer']) {
    const answer = await ask('POST /api/auth/sign-out HTTP/1.1', ['Cookie: a=1', `${name}: ${escaped}`], {})
    t.equal(answer.status, 403, name)
  }
  const cookie = `Cookie: ${sessionCookieOn(gateway.publicUrl)}=a.b`
  t.match((await ask('DELETE /x HTTP/1.1', [cookie, `Referer: ${escaped}`])).json(), { code: 'ORIGIN_FORBIDDEN' })
  t.equal((await ask('POST /auth/sign-in HTTP/1.1', [`Referer: ${escaped}`], 'email=a')).status, 403)
  t.equal((await ask(`GET ${escaped}/ HTTP/1.1`, ['Accept: text/html'])).status, 400)
  t.equal(
    (await ask(`GET /auth/sign-in?next=${encodeURIComponent(escaped).slice(0, 14_000)} HTTP/1.1`, [])).status,
    200
  )
  // What is long behind its host is read as ever.
  const led = { ...entered, callbackURL: `${gateway.publicUrl}/${'a'.repeat(10_000)}` }
  t.equal((await ask(signIn, [own], led)).status, 401)
})
