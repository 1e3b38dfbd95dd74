import t from 'tap'
import { isBetterAuthCookie } from '../../auth/better-auth-cookie-names.ts'
import { readCookieHeader } from '../../auth/cookie-header.ts'
import { Browser } from '../support/browser.ts'
import { origins } from '../support/cookie-names.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

const names = ['session_token', 'session_data', 'dont_remember', 'admin_session', 'session_token_multi-abc', 'state']
const all = ['', '__Secure-', '__Host-', '__HOST-'].flatMap((prefix) =>
  // Another project's on the same host, and those of a port that was used yesterday, are stripped too.
  ['better-auth', 'better-auth-3000', 'Better-Auth-80'].flatMap((project) =>
    names.map((name) => `${prefix}${project}.${name}`)
  )
)

for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    const upstream = await startEchoUpstream(t)
    const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { ...env } })
    const ada = new Browser(gateway.url, gateway.publicUrl)
    await ada.signUp('ada')

    async function cookiesReceived(path: string, cookies: readonly string[]): Promise<string[]> {
      const answer = await askRaw(gateway.port, `GET ${path} HTTP/1.1`, [
        `Host: ${new URL(gateway.publicUrl).host}`,
        ...cookies.map((line) => `Cookie: ${line}`)
      ])
      t.equal(answer.status, 200)
      const { rawHeaders } = answer.json() as Echo
      return rawHeaders.filter((_, i) => rawHeaders[i - 1]?.toLowerCase() === 'cookie')
    }

    t.test('no cookie of BetterAuth reaches the upstream, and all others do as they were sent', async (t) => {
      for (const path of ['/me', '/optional/x', '/public/x']) {
        const odd =
          'a=1; b="x, y";c=%20; d; =e;  better-auth=1; xbetter-auth.session_token=2; better-auth-1=3; better-auth-x.session_token=4'
        t.same(await cookiesReceived(path, [`${ada.cookieHeader}; ${odd}`]), [odd], path)
        t.same(await cookiesReceived(path, [`z=0; ${ada.cookieHeader}; ${odd}`]), [`z=0; ${odd}`], path)
        t.same(await cookiesReceived(path, [ada.cookieHeader]), [], path)
        t.same(await cookiesReceived(path, ['a=1', ada.cookieHeader, 'b=2']), ['a=1; b=2'], path)
      }
    })

    // RFC 9113, section 8.2.3: what a proxy in front makes of HTTP/2, where each cookie may have a line of its own.
    t.test('cookies on several lines reach the upstream on one, whatever lies between them', async (t) => {
      const lines = ['theme=dark', ada.cookieHeader, 'csrftoken=1']
      for (const order of [
        [0, 1, 2],
        [1, 0, 2],
        [0, 2, 1]
      ])
        for (const path of ['/me', '/public/x'])
          t.same(
            await cookiesReceived(
              path,
              order.map((i) => lines[i] ?? '')
            ),
            ['theme=dark; csrftoken=1'],
            `${path} ${order}`
          )
      t.same(await cookiesReceived('/public/x', ['theme=dark', 'csrftoken=1']), ['theme=dark; csrftoken=1'])
      t.same(await cookiesReceived('/public/x', ['theme=dark; a=b', 'csrftoken=1; c=d']), [
        'theme=dark; a=b; csrftoken=1; c=d'
      ])
    })

    t.test('every one of them is recognised, with every prefix', async (t) => {
      const others = all.filter((name) => name !== ada.sessionCookie)
      t.same(await cookiesReceived('/me', [`${ada.cookieHeader}; ${others.map((name) => `${name}=x`).join('; ')}`]), [])
      for (const name of all) {
        t.ok(isBetterAuthCookie(`${name}=x`), name)
        const others = (header: string) => readCookieHeader(header, 'better-auth.session_token').others
        t.equal(others(`${name}=x`), null)
        t.equal(others(`a=1; ${name}=x; b=2`), 'a=1; b=2')
        t.equal(others(`${name}=x;; b=2`), 'b=2')
        t.equal(others(`a=1;${name};b=2`), 'a=1;b=2')
      }
    })
  })
