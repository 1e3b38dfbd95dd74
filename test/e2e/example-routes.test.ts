import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { WebSocket } from 'ws'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'

const skip = await withoutPython()
const ada = { 'x-user-id': 'u1', 'x-user-email': 'ada@example.com', 'x-user-email-verified': 'true' }
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

t.test('the example app does what its README says', { skip }, async (t) => {
  const app = await startUvicorn(t)
  const call = (path: string, init: RequestInit = {}) =>
    fetch(app.url + path, { ...init, headers: { ...ada, ...init.headers }, redirect: 'manual' })

  t.test('its first page greets whoever opens it, by what they may have typed', async (t) => {
    const stranger = await fetch(`${app.url}/`)
    t.match(stranger.headers.get('content-type'), /^text\/html/)
    t.match(await stranger.text(), /<h1>Hello, stranger<\/h1>[\s\S]*href="\/auth\/sign-in\?next=\/"/)
    const odd = await call('/', { headers: { 'x-user-email': '"<b>"@example.com' } })
    t.match(await odd.text(), /<h1>Hello, &quot;&lt;b&gt;&quot;@example.com<\/h1>[\s\S]*href="\/auth\/account"/)
  })

  t.test('an upload is measured', async (t) => {
    const data = randomBytes(3 << 20)
    const body = new FormData()
    body.set('file', new Blob([data]), 'data.bin')
    const answer = await call('/upload', { method: 'POST', body })
    t.same(await answer.json(), { filename: 'data.bin', size: data.length, sha256: sha256(data) })
  })

  t.test('a body of any type arrives byte for byte', async (t) => {
    const body = randomBytes(100_000)
    const headers = { 'content-type': 'text/plain' }
    const answer = await call('/echo-body', { method: 'POST', body, headers })
    t.same(await answer.json(), { size: body.length, sha256: sha256(body), content_type: 'text/plain' })
  })

  t.test('a download has the length that was asked for', async (t) => {
    const answer = await call('/download?bytes=100000')
    t.equal(answer.headers.get('content-length'), '100000')
    const expected = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 256))
    t.equal(sha256(await answer.bytes()), sha256(expected))
    const head = await call('/download?bytes=100000', { method: 'HEAD' })
    t.equal(head.headers.get('content-length'), '100000')
  })

  t.test('a file answers a range request', async (t) => {
    const answer = await call('/download/readme', { headers: { range: 'bytes=2-8' } })
    t.equal(answer.status, 206)
    t.equal(await answer.text(), 'The exa')
  })

  t.test('events come one at a time and end', async (t) => {
    const answer = await call('/events?n=2&every=0.01')
    t.match(answer.headers.get('content-type'), /^text\/event-stream/)
    const text = await answer.text()
    t.equal(text.match(/event: tick/g)?.length, 2)
    t.match(text, 'data: {"tick": 2, "for": "ada@example.com"}')
  })

  t.test('a slash redirect points at the origin that the gateway names', async (t) => {
    const answer = await call('/items', { headers: { 'x-forwarded-proto': 'https' } })
    t.equal(answer.status, 307)
    t.match(answer.headers.get('location'), /^https:\/\/127\.0\.0\.1:\d+\/items\/$/)
  })

  t.test('everybody in the chat hears everybody', async (t) => {
    const join = (email: string) => listen(app.url, '/chat', { ...ada, 'x-user-email': email })
    const first = join('ada@example.com')
    t.equal(await first.next(), 'Welcome, ada@example.com.')
    const second = join('grace@example.com')
    t.equal(await first.next(), 'Welcome, grace@example.com.')
    t.equal(await second.next(), 'Welcome, grace@example.com.')
    second.socket.send('hello')
    t.equal(await first.next(), 'grace@example.com: hello')
    second.socket.close()
    t.equal(await second.next(), 'grace@example.com: hello')
    t.equal(await first.next(), 'grace@example.com left.')
    t.same(await (await call('/admin/stats')).json(), { chatting: 1 })
    first.socket.close()
  })

  t.test('the echo sends back text and bytes, and picks a subprotocol that it knows', async (t) => {
    const line = listen(app.url, '/public/echo', {}, ['other', 'echo.v1'])
    await new Promise((resolve) => line.socket.once('open', resolve))
    t.equal(line.socket.protocol, 'echo.v1')
    line.socket.send('text')
    t.equal(await line.next(), 'text')
    line.socket.send(Buffer.from([1, 2]))
    t.equal(await line.next(), '\u0001\u0002')
    line.socket.close()
  })

  t.test('it keeps its address when it is started again', async (t) => {
    await app.restart()
    t.equal((await call('/health')).status, 200)
  })
})

/** A WebSocket whose messages are taken one by one. */
function listen(url: string, path: string, headers: Record<string, string>, protocols: string[] = []) {
  const socket = new WebSocket(url.replace('http', 'ws') + path, protocols, { headers })
  const heard: string[] = []
  const waiting: ((message: string) => void)[] = []
  socket.on('message', (data) => {
    const next = waiting.shift()
    if (next === undefined) heard.push(String(data))
    else next(String(data))
  })
  const next = () =>
    new Promise<string>((resolve) => {
      const message = heard.shift()
      if (message === undefined) waiting.push(resolve)
      else resolve(message)
    })
  return { socket, next }
}
