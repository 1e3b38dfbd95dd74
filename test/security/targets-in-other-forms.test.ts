import t from 'tap'
import { withoutPython } from '../support/python.ts'
import { startRoutedGateway } from '../support/routed.ts'
import { askRaw } from '../support/wire.ts'

const skip = await withoutPython()

// RFC 9112, section 3.2: absolute-form is for proxies, authority-form for CONNECT, asterisk-form for OPTIONS. Uvicorn
// takes the path out of an absolute one and ignores the host in it.
t.test('a target that is not in origin-form reaches nobody', { skip }, async (t) => {
  const { ask, host, gateway } = await startRoutedGateway(t)
  for (const target of [
    `http://${host}/public/x`,
    `http://${host}/admin`,
    `HTTP://${host}/public/x`,
    `https://${host}/public/x`,
    'http://evil.example/public/x',
    `http://evil.example@${host}/public/x`,
    `http://${host}`,
    'http:/public/x',
    'http:///public/x',
    'ftp://localhost/public/x',
    '//evil.example/public/x',
    `///${host}/public/x`,
    'file:///public/x',
    'public/x',
    './public/x',
    '?/public/x',
    '@/public/x',
    '*',
    '*/public/x',
    host
  ]) {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const { status, routed } = await ask(`${method} ${target} HTTP/1.1`)
      t.same([status, routed], [400, undefined], `${method} ${target}`)
    }
  }
  for (const target of [host, `${host}/public/x`, '/public/x', '*']) {
    const answer = await askRaw(gateway.port, `CONNECT ${target} HTTP/1.1`, [`Host: ${host}`])
    t.ok(answer.status === 405 || answer.status === 400, `CONNECT ${target}: ${answer.status}`)
  }
  t.equal((await ask('GET /public/x HTTP/1.1')).status, 200, 'and the gateway goes on')
})
