import t from 'tap'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)

async function asker(trusted: string) {
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { TRUSTED_PROXIES: trusted } })
  return async (...headers: string[]) => {
    const host = `Host: ${new URL(gateway.publicUrl).host}`
    const answer = await askRaw(gateway.port, 'GET /public/x HTTP/1.1', [host, ...headers])
    const echo = answer.json() as Echo
    const addresses = echo.rawHeaders.filter((_, i) => echo.rawHeaders[i - 1]?.toLowerCase() === 'x-forwarded-for')
    const seen = echo.headers['x-request-id']
    t.same([addresses.length, answer.only('x-request-id')], [1, seen], 'the same id inside and outside')
    return { address: addresses[0], id: seen }
  }
}

const distrusting = await asker('')
const trusting = await asker('loopback,10.0.0.0/8,2001:db8::/32')

t.test('without TRUSTED_PROXIES nobody is believed', async (t) => {
  t.equal((await distrusting('X-Forwarded-For: 203.0.113.9')).address, '127.0.0.1')
  t.equal((await distrusting('Forwarded: for=203.0.113.9', 'X-Real-IP: 203.0.113.9')).address, '127.0.0.1')
  t.match((await distrusting('X-Request-Id: mine')).id, /^[0-9a-f-]{36}$/)
})

t.test('behind trusted proxies the client is the rightmost hop that is none of them', async (t) => {
  for (const [forwarded, address] of [
    ['203.0.113.9', '203.0.113.9'],
    ['1.1.1.1, 203.0.113.9', '203.0.113.9'],
    ['1.1.1.1, 203.0.113.9, 10.1.2.3', '203.0.113.9'],
    ['1.1.1.1,203.0.113.9 , 10.1.2.3,10.9.9.9', '203.0.113.9'],
    ['10.7.7.7, 10.1.2.3', '10.7.7.7'],
    ['2001:db8:1::1', '2001:db8:1::1'],
    ['2a00::1, 2001:db8:1::1', '2a00::1'],
    ['::ffff:203.0.113.9', '203.0.113.9']
  ] as const) {
    t.equal((await trusting(`X-Forwarded-For: ${forwarded}`)).address, address, forwarded)
  }
  t.equal((await trusting('X-Forwarded-For: 1.1.1.1', 'X-Forwarded-For: 203.0.113.9')).address, '203.0.113.9')
  t.equal((await trusting()).address, '127.0.0.1')
})

t.test('private networks are those that platforms route by, and no more', async (t) => {
  const inside = await asker('loopback,private')
  for (const hop of ['10.255.0.1', '172.31.0.1', '192.168.0.1', '100.64.0.1', '100.127.255.254', 'fd00::1'])
    t.equal((await inside(`X-Forwarded-For: 203.0.113.9, ${hop}`)).address, '203.0.113.9', hop)
  for (const hop of ['11.0.0.1', '172.32.0.1', '192.169.0.1', '100.63.255.255', '100.128.0.1', '2001:db8::1'])
    t.equal((await inside(`X-Forwarded-For: 203.0.113.9, ${hop}`)).address, hop)
})

t.test('what is no address never arrives as one', async (t) => {
  for (const garbage of [
    'garbage',
    '',
    ',',
    '203.0.113.9:80',
    '1.1.1.1, x',
    '<script>',
    '999.1.1.1',
    '[::1]',
    'unknown'
  ]) {
    t.equal((await trusting(`X-Forwarded-For: ${garbage}`)).address, '127.0.0.1', garbage)
  }
  t.equal((await trusting('X-Forwarded-For: x, 203.0.113.9')).address, '203.0.113.9')
})

t.test('a trusted proxy may name the request, in letters that a log can carry', async (t) => {
  for (const id of ['a', 'A-b_c.9', 'x'.repeat(128)]) t.equal((await trusting(`X-Request-Id: ${id}`)).id, id)
  for (const id of ['', 'a b', 'a"b', 'x'.repeat(129), 'a,b', '\xe9']) {
    t.match((await trusting(`X-Request-Id: ${id}`)).id, /^[0-9a-f-]{36}$/, id)
  }
  t.match((await trusting('X-Request-Id: a', 'X-Request-Id: b')).id, /^[0-9a-f-]{36}$/)
})
