import t from 'tap'
import { Browser } from '../support/browser.ts'
import { origins } from '../support/cookie-names.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    const protocol = 'BETTER_AUTH_URL' in env ? 'https:' : 'http:'
    const trusted = `${protocol}//localhost:3999`
    const upstream = await startEchoUpstream(t)
    const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { ...env, TRUSTED_ORIGINS: trusted } })
    const own = gateway.publicUrl
    const ada = new Browser(gateway.url, own)
    await ada.signUp('ada')

    const upgrade = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: eA=='
    ]
    const unsafe = ['POST', 'PUT', 'PATCH', 'DELETE']

    async function outcome(method: string, path: string, headers: readonly string[], cookie = ada.cookieHeader) {
      const cookies = cookie === '' ? [] : [`Cookie: ${cookie}`]
      const all = [`Host: ${new URL(own).host}`, ...cookies, ...headers]
      const answer = await askRaw(gateway.port, `${method} ${path} HTTP/1.1`, all)
      return answer.status === 403 ? (answer.json() as { code: string }).code : answer.status
    }

    const crossSite = [
      ['Origin: https://evil.example'],
      ['Origin: null'],
      ['Origin: null', 'Sec-Fetch-Site: cross-site'],
      ['Origin: null', 'Sec-Fetch-Site: same-site'],
      ['Origin: null', 'Sec-Fetch-Site: none'],
      ['Origin: null', 'Sec-Fetch-Site: Same-Origin'],
      ['Origin: null', 'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site'],
      ['Origin: null', `Referer: ${own}/`],
      ['Origin: Null', 'Sec-Fetch-Site: same-origin'],
      ['Origin: null, null', 'Sec-Fetch-Site: same-origin'],
      [`Origin: ${own}.evil.example`],
      [`Origin: ${own}/`],
      [`Origin: ${own.replace(protocol, protocol === 'http:' ? 'https:' : 'http:')}`],
      [`Origin: ${protocol}//sub.localhost:3999`],
      ['Origin: '],
      // `Origin` decides alone, whatever else is said
      ['Origin: https://evil.example', 'Sec-Fetch-Site: same-origin', `Referer: ${own}/`],
      [`Origin: ${own}`, 'Origin: https://evil.example'],
      // without it, Sec-Fetch-Site
      ['Sec-Fetch-Site: cross-site'],
      ['Sec-Fetch-Site: same-site'],
      ['Sec-Fetch-Site: cross-site', `Referer: ${own}/`],
      // without both, Referer
      ['Referer: https://evil.example/'],
      [`Referer: https://evil.example/?${own}`],
      ['Referer: no address']
    ]
    const sameSite = [
      [],
      [`Origin: ${own}`],
      [`Origin: ${own}`, 'Sec-Fetch-Site: cross-site'],
      [`Origin: ${trusted}`],
      [`Origin: ${trusted}`, 'Sec-Fetch-Site: same-site', 'Referer: https://evil.example/'],
      ['Sec-Fetch-Site: same-origin'],
      // a form of a page with `Referrer-Policy: no-referrer`
      ['Origin: null', 'Sec-Fetch-Site: same-origin'],
      ['Origin: null', 'Sec-Fetch-Site: same-origin', 'Referer: https://evil.example/'],
      ['Sec-Fetch-Site: none'],
      ['Sec-Fetch-Site: same-origin', 'Referer: https://evil.example/'],
      [`Referer: ${own}/some/page?x`],
      [`Referer: ${trusted}/`]
    ]

    t.test('an unsafe method from another site is refused where the session cookie comes along', async (t) => {
      for (const headers of crossSite) {
        t.equal(await outcome('POST', '/me', headers), 'ORIGIN_FORBIDDEN', headers.join(', '))
        t.equal(await outcome('POST', '/public/x', headers), 'ORIGIN_FORBIDDEN', `${headers.join(', ')} (public)`)
      }
      for (const method of unsafe) {
        t.equal(await outcome(method, '/optional/x', ['Origin: null']), 'ORIGIN_FORBIDDEN', method)
      }
      t.equal(upstream.requests.length, 0)
    })

    t.test('a WebSocket from another site is refused where the session cookie comes along', async (t) => {
      for (const headers of crossSite) {
        for (const path of ['/me', '/public/x']) {
          t.equal(await outcome('GET', path, [...upgrade, ...headers]), 'ORIGIN_FORBIDDEN', headers.join(', '))
        }
      }
      t.equal(upstream.requests.length, 0)
    })

    t.test('a request from this site, a trusted one, or no browser passes', async (t) => {
      for (const headers of sameSite) {
        t.equal(await outcome('POST', '/me', headers), 200, headers.join(', '))
        t.equal(await outcome('POST', '/public/x', headers), 200, `${headers.join(', ')} (public)`)
      }
    })

    t.test('BetterAuth judges a page that hides its own origin alike, on http and https', async (t) => {
      const env = {
        BETTER_AUTH_URL: 'https://app.example.com',
        BETTER_AUTH_SECRET: 'a secret of this test, which is long enough',
        DATABASE_DRIVER: 'pglite'
      }
      const secure = await startTestGateway(t, { upstreamUrl: upstream.url, env })
      for (const { url, publicUrl } of [gateway, secure]) {
        const grace = new Browser(url, publicUrl)
        await grace.signUp('grace')
        const post = async (path: string, site: string) => {
          const headers = { origin: 'null', 'sec-fetch-site': site }
          return (await grace.ask(path, { method: 'POST', headers, body: {} })).status
        }
        for (const site of ['cross-site', 'same-site', 'none', '']) {
          t.equal(await post('/api/auth/sign-out', site), 403, `${publicUrl} ${site}`)
          t.equal(await post('/me', site), 403, `${publicUrl} ${site}`)
        }
        t.equal(await post('/me', 'same-origin'), 200, publicUrl)
        t.equal(await post('/api/auth/sign-out', 'same-origin'), 200, publicUrl)
        t.equal((await grace.ask('/me')).status, 401, publicUrl)
      }
    })

    t.test('safe methods pass from anywhere', async (t) => {
      for (const method of ['GET', 'HEAD', 'OPTIONS'])
        t.equal(await outcome(method, '/me', ['Origin: null']), 200, method)
    })

    t.test('without the session cookie there is nothing to ride on', async (t) => {
      t.equal(await outcome('POST', '/public/x', ['Origin: https://evil.example'], ''), 200)
      t.equal(await outcome('POST', '/public/x', ['Origin: https://evil.example'], 'theme=dark'), 200)
      t.equal(await outcome('POST', '/me', ['Origin: https://evil.example'], ''), 401)
    })
  })
