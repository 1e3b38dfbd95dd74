import t from 'tap'
import { origins } from '../support/cookie-names.ts'
import { startTestGateway } from '../support/gateway.ts'
import { sendRaw } from '../support/raw-http.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { askRaw } from '../support/wire.ts'

const planted = [
  'better-auth.session_token=x; Path=/',
  ' better-auth.session_token=; Max-Age=0',
  'Better-Auth.Session_Token=x',
  '__Secure-better-auth.session_token=x; Secure',
  '__Host-better-auth.session_token=x; Secure; Path=/',
  'better-auth-3000.session_token=x; Path=/',
  '__Host-better-auth-443.session_token=x; Secure; Path=/',
  'better-auth.dont_remember=true',
  'better-auth.session_data=x',
  '\tbetter-auth.admin_session=x',
  // To browsers these bytes are a part of the name, to servers that trim they are nothing
  '\xa0__Host-better-auth.session_token=x; Secure; Path=/',
  '\x85better-auth.session_token=x'
]
const its = ['theme=dark; Path=/', 'better=auth', 'a-better-auth=1; HttpOnly', 'better-auth-x.session_token=1']

// What the upstream wants cleared, and what the browser is told.
const clearings = {
  '"cookies"': [],
  '"cache", "cookies", "storage"': ['"cache", "storage"'],
  '"storage","COOKIES"': ['"storage"'],
  '"cache"': ['"cache"'],
  '"*"': ['"cache", "clientHints", "executionContexts", "prefetchCache", "prerenderCache", "storage"']
}

const upstream = await startRawUpstream(t, ({ socket }, head) => {
  const cookies = [...planted, ...its].map((cookie) => `Set-Cookie: ${cookie}\r\n`).join('')
  if (head.startsWith('GET /public/trailers')) {
    socket.write(
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Set-Cookie\r\n\r\n0\r\n${cookies}X-Sum: 1\r\n\r\n`,
      'latin1'
    )
  } else if (head.startsWith('GET /public/clear/')) {
    const wanted = Object.keys(clearings)[Number(/clear\/(\d)/.exec(head)?.[1])]
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\nClear-Site-Data: ${wanted}\r\n\r\n`)
  } else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${cookies}\r\n`, 'latin1')
})
for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { ...env } })
    const host = [`Host: ${new URL(gateway.publicUrl).host}`]

    t.test(
      'a Set-Cookie of the upstream that names a cookie of BetterAuth is dropped, every other passes',
      async (t) => {
        const answer = await askRaw(gateway.port, 'GET /public/x HTTP/1.1', host)
        t.equal(answer.status, 200)
        t.same(answer.all('set-cookie'), its)
      }
    )

    t.test('nor can it set one in trailers', async (t) => {
      const head = ['GET /public/trailers HTTP/1.1', ...host, 'Connection: close', '', ''].join('\r\n')
      const received = await sendRaw(gateway.port, head)
      t.match(received, /^HTTP\/1\.1 200 [\s\S]*\r\n0\r\n[\s\S]*X-Sum: 1\r\n/)
      t.notMatch(received, /better-auth(-\d+)?\./i)
    })

    t.test('nor can it have the browser forget them; everything else is cleared as it wants', async (t) => {
      for (const [index, [wanted, told]] of Object.entries(clearings).entries()) {
        const answer = await askRaw(gateway.port, `GET /public/clear/${index} HTTP/1.1`, host)
        t.equal(answer.status, 200)
        t.same(answer.all('clear-site-data'), told, wanted)
      }
    })
  })
