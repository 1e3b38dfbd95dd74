import fc from 'fast-check'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { origins } from '../support/cookie-names.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

// Every character of a header name that a server somewhere reads as another: CGI and WSGI fold '-' and '_'.
const separators = [..."-_.!#$%&'*+^`|~"]
const reserved = [
  'X-User-Id',
  'X-User-Email',
  'X-User-Email-Verified',
  'X-User-Agent',
  'X-Session-Id',
  'X-Session-Token',
  'X-Gatehouse-Token',
  'X-Gatehouse-Client-Address',
  'X-Forwarded-For',
  'X-Forwarded-Proto',
  'X-Forwarded-Host',
  'X-Forwarded-Port',
  'X-Forwarded-Uri',
  'X-Forwarded-User',
  'X-Request-Id',
  'X-Real-IP',
  'Forwarded'
]
const lie = 'a-lie'

for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    const upstream = await startEchoUpstream(t)
    const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { ...env, TRUSTED_PROXIES: '' } })
    const ada = new Browser(gateway.url, gateway.publicUrl)
    await ada.signUp('ada')
    const host = new URL(gateway.publicUrl).host

    async function received(path: string, headers: readonly string[], signedIn: boolean): Promise<Echo> {
      const cookie = signedIn ? [`Cookie: ${ada.cookieHeader}`] : []
      const answer = await askRaw(gateway.port, `GET ${path} HTTP/1.1`, [`Host: ${host}`, ...headers, ...cookie])
      t.equal(answer.status, 200, path)
      return answer.json() as Echo
    }

    function values({ rawHeaders }: Echo, name: string): string[] {
      return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name)
    }

    t.test('no reserved header of a client arrives, on any kind of route', async (t) => {
      const lies = reserved.flatMap((name) => [`${name}: ${lie}`, `${name.toLowerCase()}: ${lie}`, `${name}: ${lie}`])
      for (const [path, signedIn] of [
        ['/public/x', false],
        ['/public/x', true],
        ['/optional/x', false],
        ['/optional/x', true],
        ['/me', true]
      ] as const) {
        const echo = await received(path, lies, signedIn)
        t.notOk(echo.rawHeaders.includes(lie), `${path}, ${signedIn ? 'signed in' : 'anonymous'}`)
        const named = signedIn && path !== '/public/x'
        t.equal(values(echo, 'x-user-id').length, named ? 1 : 0)
        t.same(values(echo, 'x-user-email'), named ? ['ada@example.com'] : [])
        t.same(values(echo, 'x-user-email-verified'), named ? ['false'] : [])
        t.same(values(echo, 'x-forwarded-for'), ['127.0.0.1'])
        t.same(values(echo, 'x-forwarded-host'), [host])
        t.same(values(echo, 'x-forwarded-proto'), [new URL(gateway.publicUrl).protocol.slice(0, -1)])
        t.equal(values(echo, 'x-request-id').length, 1)
        t.equal(values(echo, 'x-gatehouse-token').length, 0)
        t.same(values(echo, 'host'), [host])
      }
    })

    t.test('no spelling of a reserved name arrives', async () => {
      const spelling = fc.constantFrom(...reserved).chain((name) =>
        fc
          .array(fc.tuple(fc.constantFrom(...separators), fc.boolean()), {
            minLength: name.length,
            maxLength: name.length
          })
          .map((choices) =>
            [...name]
              .map((char, i) => {
                const [separator = '-', upper = false] = choices[i] ?? []
                return char === '-' ? separator : upper ? char.toUpperCase() : char.toLowerCase()
              })
              .join('')
          )
      )
      await fc.assert(
        fc.asyncProperty(fc.array(spelling, { minLength: 20, maxLength: 40 }), async (names) => {
          const echo = await received(
            '/optional/x',
            names.map((name) => `${name}: ${lie}`),
            true
          )
          return !echo.rawHeaders.includes(lie) && values(echo, 'x-user-id').length === 1
        }),
        { numRuns: 40 }
      )
    })

    t.test('names that only look similar do arrive, as they were sent', async (t) => {
      const sent = ['X-Users: 1', 'x-userid: 2', 'X-Sessions: 3', 'X-Originally: /me', 'X-Rewrite: /me', 'X-Api-Key: 4']
      const { rawHeaders } = await received('/public/x', sent, false)
      for (const line of sent) {
        const [name = '', value = ''] = line.split(': ')
        t.equal(rawHeaders[rawHeaders.indexOf(name) + 1], value, name)
      }
    })

    t.test('obsolete line folding does not carry a header past the gateway', async (t) => {
      const answer = await askRaw(gateway.port, 'GET /public/x HTTP/1.1', [
        `Host: ${host}`,
        'A: b',
        ' X-User-Id: a-lie'
      ])
      if (answer.status === 200) t.equal(values(answer.json() as Echo, 'x-user-id').length, 0)
      else t.equal(answer.status, 400)
    })

    t.test('request trailers are not forwarded', async (t) => {
      const answer = await askRaw(
        gateway.port,
        'POST /public/x HTTP/1.1',
        [`Host: ${host}`, 'Transfer-Encoding: chunked', 'Trailer: X-User-Id'],
        '3\r\nabc\r\n0\r\nX-User-Id: a-lie\r\n\r\n'
      )
      const echo = answer.json() as Echo
      t.equal(echo.bytes, 3)
      t.notOk(echo.rawHeaders.some((value) => /trailer/i.test(value)))
      t.same(Object.keys(upstream.requests.at(-1)?.trailers ?? {}), [])
    })
  })
