import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import type { DatabaseOptions } from '../../db/database.ts'
import { openDatabase } from '../../db/open-database.ts'
import { createSessionReader } from '../../db/session-queries.ts'

const patience = { connectionTimeoutMs: 200, statementTimeoutMs: 200 }

/** Takes connections and says nothing. */
async function startMuteServer(t: Test): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Takes WebSockets and says nothing. */
async function startMuteProxy(t: Test): Promise<number> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise((done) => server.once('listening', done))
  t.teardown(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

const url = 'postgres://gatehouse:not-a-secret@127.0.0.1:1/gatehouse'

const cases: Record<string, (t: Test) => Promise<DatabaseOptions>> = {
  'a Postgres that is mute': async (t) => ({
    driver: 'pg',
    url: `postgres://gatehouse:not-a-secret@127.0.0.1:${await startMuteServer(t)}/gatehouse`
  }),
  'a Postgres that is not there': async () => ({ driver: 'pg', url }),
  'a WebSocket proxy behind which Postgres is mute': async (t) => ({
    driver: 'neon',
    url,
    neonWsProxy: `127.0.0.1:${await startMuteProxy(t)}`
  }),
  'a WebSocket proxy that is mute': async (t) => ({
    driver: 'neon',
    url,
    neonWsProxy: `127.0.0.1:${await startMuteServer(t)}`
  }),
  'a WebSocket proxy that is not there': async () => ({ driver: 'neon', url, neonWsProxy: '127.0.0.1:1' })
}

for (const [name, makeOptions] of Object.entries(cases)) {
  t.test(`${name} is given up in time, and closing does not wait for it`, async (t) => {
    const options = await makeOptions(t)
    const database = await openDatabase({ ...options, ...patience })
    // A machine may be slow, and is as slow to somebody who has the usual patience of three seconds.
    const usual = await openDatabase(options)
    let usualIsOver = false
    const waiting = usual.ping().catch(() => {
      usualIsOver = true
    })
    await Promise.all([
      t.rejects(database.ping()),
      t.rejects(createSessionReader(database)('token')),
      t.rejects(database.db.transaction((tx) => tx.execute('select 1'))),
      t.rejects(database.withDirectClient((client) => client.query('select 1'))),
      t.rejects(database.listen('channel', t.fail, t.fail))
    ])
    if (name.includes('mute')) t.notOk(usualIsOver, 'in time')
    const closing = Date.now()
    await database.close()
    t.ok(Date.now() - closing < 30_000, 'closed in time')
    await waiting
    await usual.close()
  })
}

t.test('an error tells neither the password nor the address with it', async (t) => {
  const database = await openDatabase({ driver: 'pg', url, ...patience })
  const error = await database.ping().then(
    () => null,
    (error: Error) => error
  )
  t.notMatch(`${error?.stack} ${JSON.stringify(error)}`, 'not-a-secret')
  await database.close()
})
