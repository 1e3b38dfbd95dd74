import t from 'tap'
import { Browser } from '../support/browser.ts'
import { origins } from '../support/cookie-names.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { mustDial } from '../support/websocket.ts'

// BetterAuth takes plain addresses only, but a provider, a plugin or a hook can store any text.
const emails = [
  'ada@example.com\r\nX-User-Id: somebody-else',
  'ada@example.com\r\n\r\nGET /public/smuggled HTTP/1.1\r\nHost: x',
  'ada@example.com\nX-Admin: 1',
  '\u00e4d\u00e4@m\u00fcnchen.example',
  '\u0430da@example.com',
  '\u4e2d\u6587@\u4f8b\u5b50.\u4e2d\u56fd',
  '\u{1f511}@example.com',
  '"a b,c"@example.com',
  '100%@example.com',
  ' ada@example.com ',
  '\ud800@example.com'
]
for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    let next = ''

    const seen: Echo[] = []
    const upstream = await startEchoUpstream(t)
    upstream.server.on('upgrade', (request, socket) => {
      seen.push({ headers: request.headers, rawHeaders: request.rawHeaders } as Echo)
      socket.end('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n')
    })
    const gateway = await startTestGateway(t, {
      upstreamUrl: upstream.url,
      env: { ...env },
      policy: {
        auth: {
          databaseHooks: { user: { create: { before: async (user) => ({ data: { ...user, email: next } }) } } }
        }
      }
    })

    t.test('whatever a person’s email is, it arrives as one encoded value of one header', async (t) => {
      for (const [i, email] of emails.entries()) {
        next = email
        const browser = new Browser(gateway.url, gateway.publicUrl)
        const made = await browser.signUp(`person${i}`)
        t.equal(made.status, 200, JSON.stringify(email))
        const answer = await browser.ask('/me')
        t.equal(answer.status, 200, JSON.stringify(email))
        const url = `ws://127.0.0.1:${gateway.port}/me`
        const headers = {
          host: new URL(gateway.publicUrl).host,
          cookie: browser.cookieHeader,
          origin: gateway.publicUrl
        }
        await mustDial(t, url, { headers }).catch(() => undefined)
        const stored = (made.json() as { user: { email: string; id: string } }).user
        for (const echo of [answer.json() as Echo, seen.at(-1)]) {
          const names = echo?.rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase()) ?? []
          t.equal(names.filter((name) => name === 'x-user-email').length, 1)
          t.equal(names.filter((name) => name === 'x-user-id').length, 1)
          t.notOk(names.includes('x-admin'))
          t.equal(echo?.headers['x-user-id'], stored.id)
          t.match(echo?.headers['x-user-email'], /^[!-~]+$/)
          t.equal(decodeURIComponent(echo?.headers['x-user-email'] ?? ''), stored.email)
        }
      }
      t.equal(seen.length, emails.length)
      t.notOk(upstream.requests.some(({ url }) => url === '/public/smuggled'))
    })
  })
