import { request } from 'node:http'
import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'

t.test('bodies under /api/auth', async (t) => {
  const target = await startAuthApp(t, { maxBodyBytes: 20_000 })
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const json = { 'content-type': 'application/json' }
  const ada = { email: 'ada@example.org', password: 'correct horse' }
  await new Device(target).signUp(ada.email)

  t.test('a form signs up and in', async (t) => {
    const device = new Device(target)
    const fields = { email: 'form@example.org', password: 'correct horse' }
    const body = new URLSearchParams({ ...fields, name: 'Fö rm' }).toString()
    const signedUp = await device.fetch('/sign-up/email', { method: 'POST', headers: form, body })
    t.equal(signedUp.status, 200)
    t.equal((await device.client.getSession()).data?.user.name, 'Fö rm')
    const other = new Device(target)
    const signedIn = await other.fetch('/sign-in/email', {
      method: 'POST',
      headers: form,
      body: new URLSearchParams(fields).toString()
    })
    t.equal(signedIn.status, 200)
    t.ok((await other.client.getSession()).data)
  })

  t.test('a body that is not there signs out, whatever its type is said to be', async (t) => {
    for (const headers of [{}, json, form]) {
      const device = new Device(target)
      await device.post('/sign-in/email', ada)
      const response = await device.fetch('/sign-out', { method: 'POST', headers })
      t.equal(response.status, 200)
      t.equal(device.cookies.size, 0)
    }
  })

  t.test('a body that is missing where one is needed is the fault of the request', async (t) => {
    const device = new Device(target)
    t.equal((await device.fetch('/sign-in/email', { method: 'POST', headers: json })).status, 400)
    t.equal((await device.fetch('/sign-in/email', { method: 'POST' })).status, 400)
  })

  t.test('malformed and misshapen bodies are answered 400 in JSON', async (t) => {
    for (const body of ['{', '{"email":', 'null', '[]', '"text"', '7', '{"email":{"a":1},"password":["x"]}']) {
      const response = await new Device(target).fetch('/sign-in/email', { method: 'POST', headers: json, body })
      t.equal(response.status, 400, body)
      t.match(response.headers.get('content-type'), /^application\/json/)
      t.match(await response.json(), { message: String })
    }
  })

  t.test('a type that BetterAuth does not read is answered 415', async (t) => {
    for (const type of ['text/plain', 'application/xml']) {
      const init = { method: 'POST', headers: { 'content-type': type }, body: JSON.stringify(ada) }
      t.equal((await new Device(target).fetch('/sign-in/email', init)).status, 415)
    }
  })

  t.test('a body over the limit is refused, with a length and without one', async (t) => {
    const body = JSON.stringify({ ...ada, filling: 'x'.repeat(20_000) })
    const sized = await new Device(target).fetch('/sign-in/email', { method: 'POST', headers: json, body })
    t.equal(sized.status, 413)
    t.match(sized.headers.get('content-type'), /^application\/problem\+json/)
    t.match(await sized.json(), { code: 'BODY_TOO_LARGE' })
    t.equal(await postChunked(target.address, body), 413)
  })

  t.test('a GET with a body is answered as if it had none', async (t) => {
    const response = await target.app.inject({
      method: 'GET',
      url: '/api/auth/get-session',
      headers: json,
      payload: '{"a":1}'
    })
    t.equal(response.statusCode, 200)
    t.equal(response.body, 'null')
  })

  t.test('a cross-site form cannot sign anybody in', async (t) => {
    const device = new Device(target)
    const response = await device.fetch('/sign-in/email', {
      method: 'POST',
      headers: { ...form, origin: 'https://evil.example' },
      body: new URLSearchParams(ada).toString()
    })
    t.equal(response.status, 403)
    t.equal(device.cookies.size, 0)
  })

  t.test('no answer may be kept by a cache, refusals included', async (t) => {
    const device = new Device(target)
    const answers = [
      await device.fetch('/get-session'),
      await device.post('/sign-in/email', ada),
      await device.post('/sign-in/email', {}),
      await device.fetch('/get-session'),
      await device.fetch('/nowhere'),
      await device.post('/sign-in/email', { filling: 'x'.repeat(30_000) })
    ]
    for (const answer of answers) t.equal(answer.headers.get('cache-control'), 'no-store')
    t.same(
      answers.map((answer) => answer.status),
      [200, 200, 400, 200, 404, 413]
    )
  })
})

function postChunked(address: string, body: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
    const sent = request(`${address}/api/auth/sign-in/email`, { method: 'POST', headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.on('error', reject)
    sent.write(body.slice(0, 100))
    sent.end(body.slice(100))
  })
}
