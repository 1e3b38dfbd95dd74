import { connect } from 'node:net'
import { createWebSocketStream, WebSocketServer } from 'ws'
import type { Teardown } from './postgres.ts'

/** What Neon's proxy does, for a Postgres on this machine: WebSocket in, TCP out. Answers its `host:port`. */
export async function startNeonBridge(t: Teardown, pgPort: number): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', (socket) => {
    const browser = createWebSocketStream(socket)
    const postgres = connect(pgPort, '127.0.0.1')
    browser.pipe(postgres).pipe(browser)
    postgres.on('error', () => socket.terminate())
    postgres.on('close', () => socket.terminate())
    browser.on('error', () => postgres.destroy())
    browser.on('close', () => postgres.destroy())
  })
  await new Promise((done) => server.once('listening', done))
  t.teardown(async () => {
    for (const socket of server.clients) socket.terminate()
    await new Promise((done) => server.close(done))
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `127.0.0.1:${address.port}`
}
