import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, {
  upstreamUrl: upstream.url,
  policy: {
    routes: [
      { path: '/public/*', access: 'public' },
      { path: '/read', access: 'public', methods: ['GET'] }
    ]
  }
})
const host = `Host: ${new URL(gateway.publicUrl).host}`

t.test('a method that FastAPI has no use for is refused, with the list of those that are served', async (t) => {
  for (const method of ['TRACE', 'PROPFIND', 'REPORT', 'LOCK', 'QUERY', 'PURGE', 'M-SEARCH']) {
    for (const path of ['/public/x', '/me', '/api/auth/get-session']) {
      const answer = await askRaw(gateway.port, `${method} ${path} HTTP/1.1`, [host])
      t.equal(answer.status, 405, `${method} ${path}`)
      t.match(answer.json(), { code: 'METHOD_NOT_ALLOWED' })
      t.equal(answer.only('allow'), 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
    }
  }
  t.equal(upstream.requests.length, 0)
})

t.test('there is no tunnel to be had', async (t) => {
  const answer = await askRaw(gateway.port, 'CONNECT 127.0.0.1:22 HTTP/1.1', [host])
  t.equal(answer.status, 405)
  t.match(answer.json(), { code: 'METHOD_NOT_ALLOWED' })
})

t.test('a method that does not exist, or is not spelled as it should be, is malformed', async (t) => {
  for (const method of ['get', 'FOO', 'GE T']) {
    const answer = await askRaw(gateway.port, `${method} /public/x HTTP/1.1`, [host])
    t.equal(answer.status, 400, method)
    t.match(answer.json(), { code: 'REQUEST_MALFORMED' })
  }
})

t.test('a rule for GET is one for HEAD, and for nothing else', async (t) => {
  t.equal((await askRaw(gateway.port, 'GET /read HTTP/1.1', [host])).status, 200)
  t.equal((await askRaw(gateway.port, 'HEAD /read HTTP/1.1', [host])).status, 200)
  t.equal((await askRaw(gateway.port, 'POST /read HTTP/1.1', [host, 'Content-Length: 0'])).status, 401)
  t.equal((await askRaw(gateway.port, 'OPTIONS /read HTTP/1.1', [host])).status, 401)
})
