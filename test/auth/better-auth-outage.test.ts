import t from 'tap'
import type { DatabaseOptions } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

t.test('while the database is away', async (t) => {
  const postgres = await startPostgres(t)
  const options: DatabaseOptions = { driver: 'pg', url: await postgres.createDatabase(), connectionTimeoutMs: 1000 }
  const database = await openDatabase(options)
  await migrate(database)
  await database.close()
  const target = await startAuthApp(t, {
    database: options,
    limits: { failedSignIns: { points: 2, seconds: 900 } }
  })
  const device = new Device(target)
  await device.signUp('ada@example.org')
  const cookies = device.cookieHeader
  const token = (await device.client.getSession()).data?.session.token ?? 'none'
  await postgres.stop()

  const asked: [string, RequestInit][] = [
    ['/get-session', {}],
    ['/list-sessions', {}],
    ['/sign-out', { method: 'POST' }],
    ['/sign-in/email', post({ email: 'ada@example.org', password: 'correct horse' })],
    ['/sign-up/email', post({ email: 'bob@example.org', password: 'correct horse', name: 'Bob' })],
    ['/update-user', post({ name: 'Ada' })]
  ]
  for (const [path, init] of asked) {
    t.test(`${path} is 503, never 401, and clears no cookie`, async (t) => {
      const response = await device.fetch(path, init)
      t.equal(response.status, 503)
      t.match(await response.json(), { code: 'SESSION_STORE_UNAVAILABLE' })
      t.match(response.headers.get('retry-after'), /^[1-5]$/)
      t.same(response.headers.getSetCookie(), [])
      t.equal(response.headers.get('cache-control'), 'no-store')
    })
  }

  t.test('a guess at a password that could not be checked is not counted as failed', async (t) => {
    for (let n = 0; n < 5; n++) {
      const answer = await new Device(target).post('/sign-in/email', { email: 'eve@example.org', password: 'guess' })
      t.equal(answer.status, 503)
    }
  })

  t.test('the log says what happened without token, cookie or password', async (t) => {
    t.match(target.logged(), /DrizzleQueryError/)
    for (const secret of [token, cookies, decodeURIComponent(cookies), 'correct horse']) {
      t.notOk(target.logged().includes(secret))
    }
  })

  t.test('nobody is signed out when it comes back', async (t) => {
    await postgres.start()
    await until(async () => (await device.fetch('/get-session')).status === 200)
    const session = await device.client.getSession()
    t.equal(session.data?.session.token, token)
  })
})

function post(body: unknown): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}
