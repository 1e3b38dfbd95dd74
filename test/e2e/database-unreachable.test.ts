import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { createCookieSigner } from '../../auth/signed-cookie.ts'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

const secret = 'the secret of this gateway, long enough'

/** A port on which connections are neither made nor refused, as behind a firewall that says nothing. Linux drops what its full queue cannot hold. */
async function startSilence(t: Test): Promise<number> {
  const worker = new Worker(
    `const { createServer } = require('node:net')
    const { parentPort } = require('node:worker_threads')
    const server = createServer()
    server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
      parentPort.postMessage(server.address().port)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`,
    { eval: true }
  )
  t.teardown(() => worker.terminate())
  const port = await new Promise<number>((resolve) => worker.once('message', resolve))
  const sockets: Socket[] = []
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    sockets.push(socket)
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      setTimeout(resolve, 500, false)
    })
    if (!connected) return port
  }
}

t.test('a database that cannot be reached is 503 for whoever needs it, and nothing for the others', async (t) => {
  const upstream = await startEchoUpstream(t)
  const port = await startSilence(t)
  const gateway = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: { DATABASE_URL: `postgres://somebody@127.0.0.1:${port}/nothing`, BETTER_AUTH_SECRET: secret },
    database: { connectionTimeoutMs: 500 }
  })
  const signer = createCookieSigner(secret)
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, n) => {
      const browser = new Browser(gateway.url, gateway.publicUrl)
      browser.cookies.set(browser.sessionCookie, signer.sign(`token-${n}`))
      return browser.ask('/me')
    })
  )
  t.same([...new Set(answers.map(({ status }) => status))], [503])
  t.ok(answers.every(({ headers }) => headers['retry-after'] !== undefined && headers['set-cookie'] === undefined))

  const nobody = new Browser(gateway.url, gateway.publicUrl)
  t.equal((await nobody.ask('/public/x')).status, 200)
  t.equal((await nobody.ask('/me')).status, 401)
  t.equal((await nobody.signIn('ada')).status, 503)
})
