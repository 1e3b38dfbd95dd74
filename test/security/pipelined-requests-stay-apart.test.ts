import t from 'tap'
import { Browser } from '../support/browser.ts'
import { origins } from '../support/cookie-names.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { openWire } from '../support/wire.ts'

for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    // The first to be asked is the last to be answered upstream, so that whoever mixes answers up does it here.
    const upstream = await startEchoUpstream(t, (request, response) => {
      const wait = Number(/wait=(\d+)/.exec(request.url ?? '')?.[1] ?? 0)
      setTimeout(() => response.end(`<${request.headers['x-user-email'] ?? 'nobody'} ${request.url}>`), wait)
    })
    const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { ...env } })
    const host = `Host: ${new URL(gateway.publicUrl).host}`
    const ada = new Browser(gateway.url, gateway.publicUrl)
    const grace = new Browser(gateway.url, gateway.publicUrl)
    await ada.signUp('ada')
    await grace.signUp('grace')

    function request(path: string, who?: Browser, ...more: string[]): string {
      const cookie = who === undefined ? [] : [`Cookie: ${who.cookieHeader}`]
      return `${[`GET ${path} HTTP/1.1`, host, ...cookie, ...more].join('\r\n')}\r\n\r\n`
    }

    const upgrade = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: eA=='
    ]
    const answers = (received: string) =>
      [...received.matchAll(/<(\S+ \S+)>|"code":"(\w+)"/g)].map(([, said, code]) => said ?? code)

    t.test('people whose requests share a connection each get their own answer, in the order they asked', async (t) => {
      const wire = await openWire(gateway.port)
      wire.write(
        request('/me?wait=300', ada) +
          request('/me?wait=200', grace) +
          request('/me?wait=100') +
          request('/optional/x?wait=50') +
          request('/public/x', ada) +
          request('/me?wait=0', ada) +
          request('/optional/y', grace, 'Connection: close')
      )
      t.same(answers(await wire.closed()), [
        'ada@example.com /me?wait=300',
        'grace@example.com /me?wait=200',
        'SESSION_REQUIRED',
        'nobody /optional/x?wait=50',
        'nobody /public/x',
        'ada@example.com /me?wait=0',
        'grace@example.com /optional/y'
      ])
    })

    t.test(
      'an upgrade behind a request that is not answered yet is a request like any other, and the last',
      async (t) => {
        const seen = upstream.requests.length
        for (const [path, who, said] of [
          ['/me', undefined, 'SESSION_REQUIRED'],
          ['/me', grace, 'grace@example.com /me'],
          ['/deny/x', undefined, 'NOT_FOUND'],
          ['/public/x', undefined, 'nobody /public/x']
        ] as const) {
          const wire = await openWire(gateway.port)
          wire.write(request('/me?wait=100', ada) + request(path, who, ...upgrade) + request('/public/smuggled'))
          const received = await wire.closed()
          t.same(answers(received), ['ada@example.com /me?wait=100', said])
          t.notMatch(received, / 101 /)
        }
        t.notOk(upstream.requests.slice(seen).some(({ url }) => url === '/public/smuggled'))
      }
    )

    t.test('nor is anything read behind an Upgrade that is ignored', async (t) => {
      for (const protocol of ['h2c', 'websocket']) {
        const wire = await openWire(gateway.port)
        wire.write(request('/public/x', ada, 'Connection: Upgrade', `Upgrade: ${protocol}`) + request('/me', ada))
        t.same(answers(await wire.closed()), ['nobody /public/x'], protocol)
      }
    })

    t.test('so is one behind a body that the upstream has not taken, or that waits to be asked for', async (t) => {
      const post = `POST /public/x?wait=100 HTTP/1.1\r\n${host}\r\nContent-Length: 3\r\n`
      for (const first of [`${post}\r\nabc`, `${post}Expect: 100-continue\r\n\r\nabc`]) {
        const wire = await openWire(gateway.port)
        wire.write(first + request('/me', ada, ...upgrade))
        const received = await wire.until(/<ada@example\.com \/me>/)
        t.same(answers(received), ['nobody /public/x?wait=100', 'ada@example.com /me'])
        wire.destroy()
      }
    })

    t.test('an upgrade after an answered request is taken, and what follows it is no request', async (t) => {
      const seen = upstream.requests.length
      const wire = await openWire(gateway.port)
      wire.write(request('/public/first'))
      await wire.until(/\/public\/first>/)
      wire.write(request('/me', undefined, ...upgrade) + request('/public/smuggled'))
      t.same(answers(await wire.closed()), ['nobody /public/first', 'SESSION_REQUIRED'])
      t.equal(upstream.requests.length, seen + 1)
    })
  })
