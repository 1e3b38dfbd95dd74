import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { startTestGateway } from '../support/gateway.ts'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { openWire } from '../support/wire.ts'

const megabyte = 1_048_576
const declared = 40 * megabyte
const whatItSaid = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much'

/** An upstream that reads so many bytes, says this, and closes as many servers do, with the rest of the body unread. */
async function startImpatient(
  t: { teardown(work: () => void): void },
  reads: number,
  says: string,
  end: 'close' | 'reset'
) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let read = 0
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      read += chunk.length
      if (read < reads) return
      socket.pause()
      socket.removeAllListeners('data')
      // What is unread when a socket closes makes the kernel reset the connection.
      socket.write(says, () => (end === 'reset' ? setImmediate(() => socket.resetAndDestroy()) : socket.destroy()))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

/** Sends a body without end until the answer is there. */
async function upload(gateway: { port: number; publicUrl: string }, framing: 'length' | 'chunked'): Promise<string> {
  const wire = await openWire(gateway.port)
  t.teardown(() => wire.destroy())
  const header = framing === 'length' ? `Content-Length: ${declared}` : 'Transfer-Encoding: chunked'
  wire.write(`POST /public/x HTTP/1.1\r\nHost: ${new URL(gateway.publicUrl).host}\r\n${header}\r\n\r\n`)
  const block = Buffer.alloc(65_536, 'x')
  const piece = framing === 'length' ? block : Buffer.concat([Buffer.from('10000\r\n'), block, Buffer.from('\r\n')])
  for (let sent = 0; sent < declared - 65_536 && !/\r\n\r\n/.test(wire.received()); sent += 65_536) {
    wire.write(piece)
    if (sent % (16 * 65_536) === 0) await new Promise((resume) => setImmediate(resume))
  }
  return wire.until(/\r\n\r\n[\s\S]*too much/)
}

for (const end of ['close', 'reset'] as const)
  for (const framing of ['length', 'chunked'] as const)
    t.test(`an answer before the end of an upload reaches the client (${framing}, ${end})`, async (t) => {
      const url = await startImpatient(t, megabyte, whatItSaid, end)
      const gateway = await startTestGateway(t, { upstreamUrl: url })
      for (let i = 0; i < 12; i++) {
        const received = await upload(gateway, framing)
        t.match(received, /^HTTP\/1\.1 413 [\s\S]*too much/)
      }
    })

t.test('an answer whose end is that of its connection arrives whole, too', async (t) => {
  const url = await startImpatient(t, megabyte, 'HTTP/1.1 413 Content Too Large\r\n\r\nthat was too much', 'close')
  const gateway = await startTestGateway(t, { upstreamUrl: url })
  for (let i = 0; i < 6; i++) t.match(await upload(gateway, 'length'), /^HTTP\/1\.1 413 [\s\S]*that was too much/)
})

t.test('uvicorn’s early 413 is the client’s', { skip: await withoutPython() }, async (t) => {
  const folder = t.testdir({
    'refusing.py': `
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    read = 0
    while read < 1_048_576:
        read += len((await receive())["body"])
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"8"), (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b"too much"})
`
  })
  const uvicorn = await startUvicorn(t, { app: 'refusing:app', dir: folder, args: ['--lifespan', 'off'] })
  const gateway = await startTestGateway(t, { upstreamUrl: uvicorn.url })
  for (let i = 0; i < 6; i++) t.match(await upload(gateway, 'length'), /^HTTP\/1\.1 413 [\s\S]*too much/)
})
