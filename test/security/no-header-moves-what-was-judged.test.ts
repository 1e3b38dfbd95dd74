import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { askRaw } from '../support/wire.ts'

const identity = ['x-user-', 'x-session-', 'x-gatehouse-', 'x-forwarded-'].flatMap((prefix) => [
  `${prefix}id`,
  `${prefix}anything-at-all`,
  prefix
])
const moving = [
  ...['script-name', 'path-info', 'daphne-root-path', 'x-script-name', 'x-original-url', 'x-original-uri'],
  ...['x-rewrite-url', 'x-http-method-override', 'x-http-method', 'x-method-override', 'x-scheme', 'x-real-ip'],
  ...['x-client-ip', 'x-cluster-client-ip', 'true-client-ip', 'cf-connecting-ip', 'fastly-client-ip'],
  ...['x-original-method', 'x-original-host', 'x-host', 'x-http-host-override', 'cf-connecting-ipv6'],
  'x-azure-clientip',
  ...[
    ...['remote-', 'x-remote-', 'x-auth-request-', 'x-webauth-', 'x-authentik-', 'x-pomerium-', 'x-amzn-oidc-'],
    ...['x-goog-authenticated-user-', 'x-goog-iap-', 'x-ms-client-principal', 'cf-access-', 'tailscale-user-'],
    ...['client-cert', 'x-client-cert', 'ssl-client-', 'x-ssl-client-', 'x-envoy-']
  ].flatMap((prefix) => [prefix, `${prefix}user`, `${prefix}x-y`])
]
// Framing and hop-by-hop names in a spelling that only a server behind would take for them.
const misspelled = ['transfer_encoding', 'content_length', 'Content.Length', 'keep_alive', 'http2_settings']
// What Node does not refuse and no list names.
const harmless = ['x-custom', 'accept', 'x-users', 'remote', 'x-environment', 'script', 'x-hostname', 'authorization']

const spellings: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toUpperCase(),
  (name) => name.replaceAll('-', '_'),
  (name) => name.toUpperCase().replaceAll('-', '_'),
  (name) => name.replaceAll('-', '.'),
  (name) => name.replaceAll(/(^|-)([a-z])/g, (_, before: string, letter: string) => before + letter.toUpperCase()),
  (name) => [...name].map((char, at) => (char === '-' ? ('_-!~'[at % 4] ?? '-') : char)).join('')
]

const upstream = await startEchoUpstream(t)
upstream.server.on('upgrade', (request, socket) => {
  upstream.requests.push(request)
  socket.end('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n')
})
const routes = [{ path: '/public/*', access: 'public' }] as const
const start = (headers = {}) =>
  startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: { ...noDatabase, TRUSTED_PROXIES: '' },
    policy: { routes, headers: { drop: [], pass: [], ...headers } }
  })
const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: eA==']

/** The values that arrive, of these lines and as many more as there are. */
async function arriving(port: number, publicUrl: string, names: readonly string[], more: readonly string[] = []) {
  const lines = names.map((name, index) => `${name}: lie-${index}`)
  const before = upstream.requests.length
  await askRaw(port, 'GET /public/x HTTP/1.1', [`Host: ${new URL(publicUrl).host}`, ...more, ...lines])
  const request = upstream.requests[before]
  if (request === undefined) throw new Error('nothing arrived')
  return names.filter((_, index) => request.rawHeaders.includes(`lie-${index}`))
}

t.test('none of the names that move something arrives in any spelling, with a request or an upgrade', async (t) => {
  const { port, publicUrl } = await start()
  for (const more of [[], upgrade]) {
    for (const spell of spellings) {
      const names = [...identity, ...moving, 'forwarded', 'x-request-id'].map(spell)
      t.same(await arriving(port, publicUrl, names, more), [], names.join(' ').slice(0, 60))
    }
    t.same(await arriving(port, publicUrl, misspelled, more), [])
    t.same(await arriving(port, publicUrl, harmless, more), harmless)
  }
})

t.test('the policy drops more, and lets single ones pass, in every spelling and on upgrades too', async (t) => {
  const { port, publicUrl, logged } = await start({ drop: ['Proxy', 'x-custom'], pass: ['X-Real-IP', 'x-envoy-user'] })
  for (const more of [[], upgrade]) {
    t.same(await arriving(port, publicUrl, ['proxy', 'PROXY', 'X_Custom', 'x.custom', 'x-custom'], more), [])
    t.same(await arriving(port, publicUrl, ['x-customs', 'proxy-x'], more), ['x-customs', 'proxy-x'])
    t.same(await arriving(port, publicUrl, ['X-Real-IP', 'x_real_ip', 'X-Envoy-User'], more), [
      'X-Real-IP',
      'x_real_ip',
      'X-Envoy-User'
    ])
    t.same(await arriving(port, publicUrl, ['X-Envoy-Users', 'x-client-ip', 'x-user-id'], more), [])
  }
  const warnings = logged()
    .split('\n')
    .filter((line) => line.includes('headers.pass'))
  t.equal(warnings.length, 2)
  t.match(warnings, [/X-Real-IP/, /x-envoy-user/])
  t.notMatch((await start()).logged(), /headers\.pass/)
})

t.test('names that nobody has seen before, as many as a client likes, leave the others as they are', async (t) => {
  const { port, publicUrl } = await start()
  for (let round = 0; round < 8; round++) {
    const made = Array.from({ length: 150 }, (_, index) => `x-made-${round}-${index}`)
    t.same(await arriving(port, publicUrl, made), made)
    t.same(await arriving(port, publicUrl, ['SCRIPT_NAME', `x-user-${'y'.repeat(500)}`, 'x-custom']), ['x-custom'])
  }
})
