import { connect } from 'node:net'
import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { sendRaw } from '../support/raw-http.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const host = `Host: ${new URL(gateway.publicUrl).host}`
const tunnel = `CONNECT example.com:443 HTTP/1.1\r\n${host}\r\n\r\n`
const clean = `GET /public/x HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`

t.test('a tunnel is refused', async (t) => {
  const received = await sendRaw(gateway.port, tunnel)
  t.match(received, /^HTTP\/1\.1 405 [\s\S]*"code":"METHOD_NOT_ALLOWED"/)
})

// Each of these ended the process: a detached socket's error had no listener.
t.test('one that is asked for behind a refusal that closes the connection ends nothing else', async (t) => {
  for (const refused of [
    `GET /public/x HTTP/1.1\r\n${host}\r\n${host}\r\n\r\n`,
    `POST /public/x HTTP/1.1\r\n${host}\r\n${host}\r\nContent-Length: 3\r\n\r\nabc`,
    `POST //x HTTP/1.1\r\n${host}\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc`,
    `GET /public/x HTTP/2.0\r\n${host}\r\n\r\n`,
    tunnel
  ]) {
    const received = await sendRaw(gateway.port, refused + tunnel)
    t.match(received, /^HTTP\/1\.1 4\d\d /, JSON.stringify(refused))
    t.match(await sendRaw(gateway.port, clean), /^HTTP\/1\.1 200 /)
  }
})

t.test('one whose client is gone before it is answered ends nothing else', async (t) => {
  for (const bytes of [
    tunnel,
    `${clean}${tunnel}`,
    `POST /x HTTP/1.1\r\n${host}\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n`
  ]) {
    for (let i = 0; i < 20; i++) {
      await new Promise<void>((resolve) => {
        const socket = connect(gateway.port, '127.0.0.1', () => {
          socket.write(bytes, () => setImmediate(() => socket.resetAndDestroy()))
        })
        socket.on('error', () => {})
        socket.on('close', () => resolve())
      })
    }
    t.match(await sendRaw(gateway.port, clean), /^HTTP\/1\.1 200 /)
  }
})
