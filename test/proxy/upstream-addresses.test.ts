import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:https'
import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import type { Echo } from '../support/echo-upstream.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

const folder = new URL('certificates/', import.meta.url)
const file = (name: string) => new URL(name, folder).pathname

function startTls(t: Test, name: string): Promise<number> {
  const server = createServer({ key: readFileSync(file(`${name}.key.pem`)), cert: readFileSync(file(`${name}.pem`)) })
  return start(t, server, 0) as Promise<number>
}

async function start(t: Test, server: Server | ReturnType<typeof createHttpServer>, where: number | string) {
  server.on('request', (request, response) => response.end(JSON.stringify({ headers: request.headers })))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  if (typeof where === 'string') await new Promise<void>((resolve) => server.listen(where, resolve))
  else await new Promise<void>((resolve) => server.listen(where, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

/** A route that is public, over HTTP and as a WebSocket: what came of each. */
async function outcomes(gateway: TestGateway): Promise<[string | number, string]> {
  const host = new URL(gateway.publicUrl).host
  const answer = await askRaw(gateway.port, 'GET /public/x HTTP/1.1', [`Host: ${host}`])
  const http = answer.status === 502 ? (answer.json() as { code: string }).code : answer.status
  const ws = await new Promise<string>((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/public/x`, { headers: { host } })
    socket.on('open', () => socket.send('hello'))
    socket.on('message', (data) => {
      resolve(String(data))
      socket.terminate()
    })
    socket.on('unexpected-response', (_request, response) => resolve(`refused ${response.statusCode}`))
    socket.on('error', (error) => resolve(error.message))
  })
  return [http, ws]
}

t.test('an https upstream is verified against its own name', async (t) => {
  const good = await startTls(t, 'upstream')
  const misnamed = await startTls(t, 'public')
  const ca = { UPSTREAM_CA_FILE: file('ca.pem') }
  // The public name is not the upstream's: a certificate for it proves nothing about who answers there.
  const site = {
    BETTER_AUTH_URL: 'https://app.example.com',
    BETTER_AUTH_SECRET: 'x'.repeat(32),
    DATABASE_DRIVER: 'pglite'
  }
  for (const [env, url, expected] of [
    [ca, `https://localhost:${good}`, [200, 'hello']],
    [{ ...ca, ...site }, `https://127.0.0.1:${good}`, [200, 'hello']],
    [{ ...ca, ...site }, `https://localhost:${misnamed}`, ['UPSTREAM_UNREACHABLE', 'refused 502']],
    [{}, `https://localhost:${good}`, ['UPSTREAM_UNREACHABLE', 'refused 502']]
  ] as const) {
    await t.test(`${url} ${Object.keys(env).join(' ')}`, async (t) => {
      t.same(await outcomes(await startTestGateway(t, { upstreamUrl: url, env: { ...env } })), expected)
    })
  }
})

t.test('a Unix socket is an upstream like any other, and the token is the gateway’s', async (t) => {
  // A socket's path is limited to a hundred characters or so; the test's own folder is deeper.
  const folder = mkdtempSync(`${tmpdir()}/gatehouse-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = `${folder}/app.sock`
  await start(t, createHttpServer(), path)
  const gateway = await startTestGateway(t, { upstreamUrl: `unix:${path}`, env: { UPSTREAM_TOKEN: 'between-us' } })
  t.same(await outcomes(gateway), [200, 'hello'])
  const headers = [`Host: ${new URL(gateway.publicUrl).host}`, 'X-Gatehouse-Token: mine', 'x_gatehouse_token: mine']
  const echo = (await askRaw(gateway.port, 'GET /public/x HTTP/1.1', headers)).json() as Echo
  t.equal(echo.headers['x-gatehouse-token'], 'between-us')
  t.notOk('x_gatehouse_token' in echo.headers)
})
