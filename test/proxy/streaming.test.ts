import { Readable } from 'node:stream'
import t from 'tap'
import { request } from 'undici'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { openWire, type Wire } from '../support/wire.ts'

let sent = 0
let sawDrainNeeded = false
let received = 0
const upstream = await startEchoUpstream(t, (request, response) => {
  switch (request.url) {
    case '/public/events':
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      break
    case '/public/endless': {
      const chunk = Buffer.alloc(65_536)
      const write = () => {
        while (!response.destroyed) {
          sent += chunk.length
          if (!response.write(chunk)) {
            sawDrainNeeded = true
            response.once('drain', write)
            return
          }
        }
      }
      write()
      break
    }
    case '/public/slow-reader':
      request.once('data', () => request.pause())
      break
    case '/public/mirror':
      response.writeHead(200)
      request.pipe(response)
      break
    case '/public/early':
      response.writeHead(403, { 'content-length': 2 })
      response.end('no')
      break
    case '/public/count':
      request.on('data', (chunk: Buffer) => {
        received += chunk.length
      })
      request.on('end', () => response.end(String(received)))
      break
    default:
      response.end('ok')
  }
})
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const host = `Host: ${new URL(gateway.publicUrl).host}`
const get = (path: string) => `GET ${path} HTTP/1.1\r\n${host}\r\n\r\n`

async function open(path: string, head = get(path)): Promise<Wire> {
  const wire = await openWire(gateway.port)
  t.teardown(() => wire.destroy())
  wire.write(head)
  return wire
}

async function responseOf(path: string, nth = 1) {
  await until(() => upstream.requests.filter(({ url }) => url === path).length >= nth)
  const incoming = upstream.requests.filter(({ url }) => url === path).at(-1)
  if (incoming === undefined) throw new Error(path)
  return incoming
}

/** Resolves once this has not changed for a while. */
async function standsStill(count: () => number): Promise<void> {
  let before = -1
  await until(async () => {
    before = count()
    await new Promise((resolve) => setTimeout(resolve, 200))
    return before > 0 && count() === before
  })
}

t.test('an event stream opens at once and delivers every event as it is sent', async (t) => {
  let say: ((text: string) => void) | undefined
  upstream.server.once('request', (_request, response) => {
    say = (text) => response.write(text)
  })
  const wire = await open('/public/events')
  t.match(await wire.until(/\r\n\r\n/), /^HTTP\/1\.1 200 OK[\s\S]*text\/event-stream/, 'before the first event')
  for (const n of [1, 2, 3]) {
    say?.(`data: ${n}\n\n`)
    await wire.until(new RegExp(`data: ${n}\n\n`))
  }
})

t.test('both directions stream at the same time', async (t) => {
  const head = `POST /public/mirror HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n`
  const wire = await open('/public/mirror', head)
  for (const word of ['one', 'two', 'six']) {
    wire.write(`3\r\n${word}\r\n`)
    await wire.until(new RegExp(word))
  }
  wire.write('0\r\n\r\n')
  t.match(await wire.until(/\r\n0\r\n\r\n$/), /one[\s\S]*two[\s\S]*six/)
})

t.test('a slow reader slows the writer down', async (t) => {
  const wire = await open('/public/endless')
  wire.pause()
  await until(() => sawDrainNeeded)
  await standsStill(() => sent)
  t.ok(sent < 32_000_000, `${sent} bytes are on their way`)
  const before = sent
  wire.resume()
  await until(() => sent > before + 1_000_000)
  wire.destroy()
})

t.test('a slow upstream slows the sender down', async (t) => {
  let produced = 0
  const body = Readable.from(
    (function* () {
      for (; produced < 90_000_000; produced += 65_536) yield Buffer.alloc(65_536)
    })()
  )
  const path = '/public/slow-reader'
  const cut = request(gateway.url + path, { method: 'POST', headers: { host: host.slice(6) }, body }).catch(() => 'cut')
  const incoming = await responseOf(path)
  await standsStill(() => produced)
  t.ok(produced < 32_000_000, `${produced} bytes are on their way`)
  incoming.socket.destroy()
  await cut
})

t.test('who stops listening stops the upstream', async (t) => {
  const wire = await open('/public/events')
  await wire.until(/\r\n\r\n/)
  const nth = upstream.requests.filter(({ url }) => url === '/public/events').length
  const { socket } = await responseOf('/public/events', nth)
  wire.destroy()
  await until(() => socket.destroyed)
  t.pass('the upstream connection is closed')
})

t.test('so does a client that asked for several things at once and left', async (t) => {
  const seen = upstream.requests.length
  const wire = await openWire(gateway.port)
  wire.write(get('/public/events') + get('/public/events') + get('/public/events'))
  await until(() => upstream.requests.length > seen)
  wire.destroy()
  await until(() => upstream.requests.slice(seen).every(({ socket }) => socket.destroyed))
  t.equal(upstream.requests.length, seen + 1, 'the others waited for their turn, which never came')
})

t.test('an upload whose client leaves is not completed', async (t) => {
  const wire = await open('/public/count', `POST /public/count HTTP/1.1\r\n${host}\r\nContent-Length: 100\r\n\r\nabc`)
  const incoming = await responseOf('/public/count')
  wire.destroy()
  await until(() => incoming.destroyed)
  t.equal(incoming.complete, false)
})

t.test('an answer before the end of a large upload reaches the client, and the connection goes on', async (t) => {
  const size = 3_000_000
  const wire = await open('/public/early', `POST /public/early HTTP/1.1\r\n${host}\r\nContent-Length: ${size}\r\n\r\n`)
  wire.write(Buffer.alloc(1_000_000))
  await wire.until(/403 Forbidden[\s\S]*\r\n\r\nno/)
  wire.write(Buffer.alloc(size - 1_000_000))
  wire.write(get('/public/next'))
  await wire.until(/200 OK[\s\S]*ok$/)
  t.pass('the next request was answered')
})

t.test('three hundred open streams keep nobody waiting', async (t) => {
  const wires = await Promise.all(Array.from({ length: 300 }, () => open('/public/events')))
  await Promise.all(wires.map((wire) => wire.until(/text\/event-stream/, 60_000)))
  const wire = await open('/public/quick')
  await wire.until(/ok/)
  t.pass('answered while they are open')
  for (const each of wires) each.destroy()
})
