import t from 'tap'
import { Browser } from '../support/browser.ts'
import { origins } from '../support/cookie-names.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw, type WireAnswer } from '../support/wire.ts'

for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    const upstream = await startEchoUpstream(t)
    const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { ...env } })
    const ada = new Browser(gateway.url, gateway.publicUrl)
    await ada.signUp('ada')
    const cookie = ada.cookieHeader
    const name = ada.sessionCookie
    const other = `${name}=planted.by-a-sibling`

    function ask(path: string, cookies: readonly string[], more: readonly string[] = []): Promise<WireAnswer> {
      const headers = [`Host: ${new URL(gateway.publicUrl).host}`, ...cookies.map((line) => `Cookie: ${line}`), ...more]
      return askRaw(gateway.port, `GET ${path} HTTP/1.1`, headers)
    }

    const upgrade = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: eA=='
    ]

    t.test('two different session cookies are refused, whichever is first and wherever they stand', async (t) => {
      for (const path of ['/me', '/public/x', '/optional/x', '/api/auth/get-session']) {
        for (const cookies of [
          [`${cookie}; ${other}`],
          [`${other}; ${cookie}`],
          [cookie, other],
          [`${cookie}; ${name}=`],
          [`${cookie};${name} =x`],
          [`a=1; ${other}; b=2; ${cookie}`]
        ]) {
          const answer = await ask(path, cookies)
          t.equal(answer.status, 400, `${path} ${cookies.length}`)
          t.match(answer.json(), { code: 'COOKIE_AMBIGUOUS', status: 400 })
          t.equal(answer.only('content-type'), 'application/problem+json')
        }
      }
      const answer = await ask('/me', [`${cookie}; ${other}`], upgrade)
      t.match(answer.json(), { code: 'COOKIE_AMBIGUOUS' })
    })

    t.test('the same cookie twice is one cookie', async (t) => {
      t.equal((await ask('/me', [`${cookie}; ${cookie}`])).status, 200)
      t.equal((await ask('/me', [cookie, cookie])).status, 200)
      t.match((await ask('/api/auth/get-session', [`${cookie}; ${cookie}`])).json(), {
        user: { email: 'ada@example.com' }
      })
    })
  })
