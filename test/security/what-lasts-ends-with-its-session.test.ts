import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import t from 'tap'
import { longRunningAfterMs } from '../../auth/live-connection-limits.ts'
import { Browser } from '../support/browser.ts'
import { startGatewayWithApp } from '../support/streaming-app.ts'
import { until } from '../support/until.ts'
import type { Wire } from '../support/wire.ts'

// A stream of NDJSON went on for as long as it liked: only event streams ended with their session.
t.test('whatever still goes on when its session ends is ended, and never looks whole', async (t) => {
  const folder = mkdtempSync(`${tmpdir()}/gatehouse-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  // More than the kernel takes for a client that does not read.
  writeFileSync(`${folder}/film.bin`, 'x')
  truncateSync(`${folder}/film.bin`, 100_000_000)
  const { gateway, open, ask } = await startGatewayWithApp(
    t,
    {},
    {
      policy: {
        routes: [
          { path: '/kept/*', access: 'session', keepOpen: true },
          { path: '/optional/*', access: 'optional' },
          { path: '/public/*', access: 'public' },
          { path: '/film.bin', access: 'session', upstream: 'files' }
        ],
        upstreams: { files: { directory: folder } }
      }
    }
  )
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  const headers = [`Cookie: ${ada.cookieHeader}`, `Origin: ${gateway.publicUrl}`]
  const began = performance.now()

  const lines = await open('/lines', headers)
  const optional = await open('/optional/lines', headers)
  const table = await open('/csv', headers)
  const oldTable = await open('/csv', headers)
  const kept = await open('/kept/csv', headers)
  const keptEvents = await open('/kept/events', headers)
  const events = await open('/events', headers)
  const everybodys = await open('/public/lines', headers)
  const upload = await open('/upload', [...headers, 'Transfer-Encoding: chunked'], 'POST')
  const film = await open('/film.bin', headers)
  film.pause()
  const everybody = { lines, optional, table, oldTable, kept, keptEvents, events, everybodys }
  for (const wire of Object.values(everybody)) await wire.until(/\r\n\r\n.*\S/)
  upload.write('3\r\nabc\r\n')
  const closed = new Set<Wire>()
  for (const wire of [...Object.values(everybody), upload, film])
    wire.closed(60_000).then(
      () => closed.add(wire),
      () => {}
    )

  // Until then they may still be short requests, which nobody would cut in two.
  await until(() => performance.now() - began > longRunningAfterMs + 1_000)
  t.equal(closed.size, 0)
  t.equal((await ada.signOut()).status, 200)

  await events.until(/\r\n0\r\n\r\n$/)
  t.pass('an event stream ends cleanly, so that its client asks again')
  await keptEvents.until(/\r\n0\r\n\r\n$/)
  t.pass('a rule cannot keep an event stream open')
  for (const [name, wire] of Object.entries({ lines, optional, table, oldTable, upload })) {
    const received = await wire.closed()
    t.notMatch(received, /\r\n0\r\n\r\n$/, `${name} is broken off`)
  }
  film.resume()
  const received = await film.closed()
  t.ok(received.length < 100_000_000, 'a file of a folder is broken off')
  t.notOk(closed.has(kept), 'a rule can keep a download open')
  t.notOk(closed.has(everybodys), 'what needs no session has none to end with')
  t.equal((await ask('/public/x')).status, 200)
})

t.test('a body that ends with its connection is broken off with a reset', async (t) => {
  const { gateway, open } = await startGatewayWithApp(t)
  const host = `Host: ${new URL(gateway.publicUrl).host}`
  const error = await new Promise<string>((resolve) => {
    const socket = connect(gateway.port, '127.0.0.1', () =>
      socket.write(`GET /public/breaks HTTP/1.0\r\n${host}\r\n\r\n`)
    )
    socket.resume()
    socket.on('error', ({ message }) => resolve(message))
    socket.on('end', () => resolve('it looked whole'))
  })
  t.match(error, /ECONNRESET/)
  t.match(await (await open('/public/breaks')).closed(), /a,b\r?\n/, 'and what came before is the client’s')
})
