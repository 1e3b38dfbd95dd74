import t from 'tap'
import { Browser } from '../support/browser.ts'
import { origins } from '../support/cookie-names.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

// CVE-2026-33805: a client names the proxy's own headers in `Connection`, and the proxy takes them out again.

for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    const upstream = await startEchoUpstream(t)
    const gateway = await startTestGateway(t, {
      upstreamUrl: upstream.url,
      env: { ...env, UPSTREAM_TOKEN: 'between-us' }
    })
    const ada = new Browser(gateway.url, gateway.publicUrl)
    await ada.signUp('ada')

    async function received(connection: readonly string[], headers: readonly string[] = []): Promise<Echo> {
      const answer = await askRaw(gateway.port, 'GET /me HTTP/1.1', [
        `Host: ${new URL(gateway.publicUrl).host}`,
        `Cookie: ${ada.cookieHeader}`,
        ...connection.map((value) => `Connection: ${value}`),
        ...headers
      ])
      t.equal(answer.status, 200)
      return answer.json() as Echo
    }

    const own = {
      'x-user-id': /./,
      'x-user-email': 'ada@example.com',
      'x-user-email-verified': 'false',
      'x-request-id': /./,
      'x-forwarded-for': /./,
      'x-forwarded-proto': new URL(gateway.publicUrl).protocol.slice(0, -1),
      'x-forwarded-host': /./,
      'x-gatehouse-token': 'between-us',
      host: /./
    }

    t.test('what a client lists in Connection cannot take away what the gateway says', async (t) => {
      for (const names of [Object.keys(own), Object.keys(own).map((name) => name.toUpperCase())]) {
        t.match((await received([`close, ${names.join(', ')}`])).headers, own)
        t.match((await received(['close', ...names])).headers, own)
      }
    })

    t.test('what a client lists in Connection takes away its own headers, which were for this hop', async (t) => {
      const { headers } = await received(['close, X-Mine , x-other'], ['X-Mine: 1', 'X-OTHER: 2', 'X-Third: 3'])
      t.notOk('x-mine' in headers)
      t.notOk('x-other' in headers)
      t.equal(headers['x-third'], '3')
    })

    t.test('headers of one hop do not travel further', async (t) => {
      const { headers } = await received(
        ['close'],
        [
          'Keep-Alive: timeout=5',
          'TE: trailers',
          'Proxy-Connection: x',
          'Proxy-Authorization: Basic eA==',
          'Upgrade: h2c'
        ]
      )
      for (const name of ['keep-alive', 'te', 'proxy-connection', 'proxy-authorization', 'upgrade']) {
        t.notOk(name in headers, name)
      }
    })
  })
