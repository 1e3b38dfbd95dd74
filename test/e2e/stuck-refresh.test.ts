import pg from 'pg'
import t from 'tap'
import { eachFaultyDatabase } from '../support/faults.ts'
import { until } from '../support/until.ts'

await eachFaultyDatabase(
  t,
  async (t, database) => {
    // Whoever waited for the refresh would wait for a minute.
    const patience = { connectionTimeoutMs: 1_000, statementTimeoutMs: 60_000 }
    const gateway = await database.startGateway({ SESSION_CACHE_TTL: '0' }, patience)

    t.test('a session whose refresh is stuck is a session, answered without a new cookie', async (t) => {
      const [browser] = await database.strangers(gateway, 1, { expiresAt: "now() + interval '3 days'" })
      if (browser === undefined) throw new Error('nobody')
      const [{ name = '' } = {}] = await database.sql('select current_database() as name')
      const locker = new pg.Client({ connectionString: database.postgres.url.replace(/[^/]*$/, String(name)) })
      locker.on('error', () => {})
      t.teardown(() => locker.end())
      await locker.connect()
      await locker.query('begin')
      await locker.query('select 1 from session for update')

      const answer = await browser.ask('/me')
      t.equal(answer.status, 200)
      t.notOk('set-cookie' in answer.headers)

      await locker.query('rollback')
      const expiry = `select 1 from session where expires_at > now() + interval '4 days'`
      await until(async () => (await database.sql(expiry)).length === 1)
      t.equal((await browser.ask('/me')).status, 200, 'it was refreshed after all, and nobody is signed out')
    })
  },
  ['pg']
)
