import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket } from 'ws'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'

const skip = await withoutPython()
const ada = { 'x-user-id': 'u1', 'x-user-email': 'ada@example.com', 'x-user-email-verified': 'false' }
const elsewhere = /did not come through the gateway/

/** What the handshake was answered with: 101, or the refusal's status. */
function handshake(url: string, headers: Record<string, string>): Promise<{ status: number; first?: string }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace('http', 'ws'), { headers })
    socket.on('unexpected-response', (_request, response) => {
      response.resume()
      resolve({ status: response.statusCode ?? 0 })
    })
    socket.on('message', (data) => {
      resolve({ status: 101, first: String(data) })
      socket.close()
    })
    socket.on('error', reject)
  })
}

t.test('identity comes from the headers, or there is none', { skip }, async (t) => {
  const app = await startUvicorn(t)
  const get = (path: string, headers: Record<string, string> = {}) => fetch(app.url + path, { headers })

  t.test('the headers name the user', async (t) => {
    const answer = await get('/me', ada)
    t.equal(answer.status, 200)
    t.same(await answer.json(), { id: 'u1', email: 'ada@example.com', email_verified: false })
  })

  t.test('percent-encoded values arrive as they were', async (t) => {
    const email = 'ad%C3%A9%20%25x@example.com'
    const answer = await get('/me', { ...ada, 'x-user-email': email, 'x-user-email-verified': 'true' })
    t.same(await answer.json(), { id: 'u1', email: 'adé %x@example.com', email_verified: true })
  })

  t.test('a private route without the headers is refused and says why', async (t) => {
    const answer = await get('/me')
    t.equal(answer.status, 401)
    t.match(await answer.json(), { detail: elsewhere })
  })

  for (const [what, headers] of Object.entries({
    'only an id': { 'x-user-id': 'u1' },
    'an empty id': { ...ada, 'x-user-id': '' },
    'no word on verification': { 'x-user-id': 'u1', 'x-user-email': 'ada@example.com' },
    'verification in another spelling': { ...ada, 'x-user-email-verified': 'True' },
    'bytes that are not UTF-8': { ...ada, 'x-user-email': '%FF@example.com' }
  })) {
    t.test(`${what} is no identity, not even an optional one`, async (t) => {
      t.equal((await get('/me', headers)).status, 401)
      t.equal((await get('/feed', headers)).status, 401)
    })
  }

  t.test('a header sent twice is refused', async (t) => {
    const headers = ['host', 'localhost', ...Object.entries(ada).flat(), 'x-user-id', 'u2']
    const status = await new Promise((resolve, reject) => {
      const call = request(`${app.url}/me`, { headers }, (response) => resolve(response.resume().statusCode))
      call.on('error', reject).end()
    })
    t.equal(status, 401)
  })

  t.test('empty headers are absent ones', async (t) => {
    const empty = Object.fromEntries(Object.keys(ada).map((name) => [name, '']))
    t.same(await (await get('/feed', empty)).json(), { message: 'Hello, stranger.' })
    t.equal((await get('/me', empty)).status, 401)
  })

  t.test('an optional route greets by email, and strangers too', async (t) => {
    t.same(await (await get('/feed', ada)).json(), { message: 'Hello, ada@example.com.' })
    t.same(await (await get('/feed')).json(), { message: 'Hello, stranger.' })
  })

  t.test('a verified email is there when it is verified, and 403 when not', async (t) => {
    t.equal((await get('/verified-only', ada)).status, 403)
    t.equal((await get('/verified-only', { ...ada, 'x-user-email-verified': 'true' })).status, 200)
  })

  t.test('a WebSocket knows its user, and is refused without one', async (t) => {
    t.same(await handshake(`${app.url}/chat`, ada), { status: 101, first: 'Welcome, ada@example.com.' })
    t.same(await handshake(`${app.url}/chat`, {}), { status: 401 })
  })
})

t.test('with a shared token, only the gateway is believed', { skip }, async (t) => {
  const file = join(t.testdir(), 'token')
  await writeFile(file, 'a-shared-token\n')

  for (const [how, env] of Object.entries({
    'in the environment': { UPSTREAM_TOKEN: 'a-shared-token' },
    'in a file': { UPSTREAM_TOKEN_FILE: file }
  })) {
    t.test(how, async (t) => {
      const app = await startUvicorn(t, { env })
      const status = async (path: string, headers: Record<string, string>) =>
        (await fetch(app.url + path, { headers })).status
      const right = { 'x-gatehouse-token': 'a-shared-token' }

      t.equal(await status('/me', { ...ada, ...right }), 200)
      t.equal(await status('/me', ada), 401)
      t.equal(await status('/me', { ...ada, 'x-gatehouse-token': 'a-shared-tokex' }), 401)
      t.equal(await status('/me', { ...ada, 'x-gatehouse-token': 'é' }), 401)
      t.equal(await status('/hello', {}), 401, 'public routes too')
      t.equal(await status('/health', {}), 200, 'the health check aside')
      t.same(await handshake(`${app.url}/chat`, ada), { status: 401 })
      t.match(await handshake(`${app.url}/chat`, { ...ada, ...right }), { status: 101 })
      t.same(await handshake(`${app.url}/public/echo`, {}), { status: 401 })

      const shown = await (await fetch(`${app.url}/headers`, { headers: { ...ada, ...right } })).text()
      t.match(shown, '"x-gatehouse-token":"(hidden)"')
      t.notMatch(shown, 'a-shared-token', 'the headers route keeps the token to itself')
    })
  }

  t.test('an empty token file stops the app instead of switching the check off', async (t) => {
    const empty = join(t.testdir(), 'empty')
    await writeFile(empty, '\n')
    await t.rejects(startUvicorn(t, { env: { UPSTREAM_TOKEN_FILE: empty } }), /UPSTREAM_TOKEN_FILE names is empty/)
  })
})
