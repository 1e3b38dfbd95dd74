import pg from 'pg'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { degraded, eachFaultyDatabase } from '../support/faults.ts'
import { until } from '../support/until.ts'

await eachFaultyDatabase(
  t,
  async (t, database) => {
    const { postgres, sql } = database
    await postgres.query('alter system set max_notify_queue_pages = 64')
    await postgres.stop()
    await postgres.start()
    const here = await database.startGateway({ SESSION_CACHE_TTL: '1' })
    const there = await database.startGateway({ SESSION_CACHE_TTL: '1' })
    const patient = await database.startGateway({ SESSION_CACHE_TTL: '600' })
    const gateways = [here, there, patient]

    // Somebody who listens and has a transaction open: nothing leaves the queue before it ends.
    const careless = new pg.Client({ connectionString: postgres.url })
    careless.on('error', () => {})
    t.teardown(() => careless.end())
    await careless.connect()
    await careless.query('listen elsewhere')
    await careless.query('begin')
    const fill = (messages: number) =>
      postgres.query(`select pg_notify('elsewhere', repeat('x', 7000) || n) from generate_series(1, ${messages}) n`)
    const usage = async () => Number((await sql('select pg_notification_queue_usage() as usage'))[0]?.['usage'])

    t.test('when notifications pile up the gateways say that they hear nothing', async (t) => {
      await fill(40)
      for (const gateway of gateways) {
        await until(async () => (await degraded(gateway)).join() === 'session-events')
      }
      const ada = await database.signUp(here, 'ada')
      t.equal((await ada.ask('/me')).status, 200)
    })

    t.test('with the queue full sessions still end, here at once and elsewhere within SESSION_CACHE_TTL', async (t) => {
      const grace = await database.signUp(here, 'grace')
      const token = decodeURIComponent(grace.cookies.get(grace.sessionCookie) ?? '').split('.')[0]
      await until(
        async () =>
          !(await fill(1).then(
            () => true,
            () => false
          ))
      )
      t.equal(await usage(), 1)
      const [elsewhere, late] = [there, patient].map(({ url, publicUrl }) => {
        const browser = new Browser(url, publicUrl)
        for (const [name, value] of grace.cookies) browser.cookies.set(name, value)
        return { ask: () => browser.ask('/me') }
      })
      const { cookieHeader } = grace
      if (elsewhere === undefined || late === undefined) throw new Error('two')
      t.equal((await grace.ask('/me')).status, 200)
      t.equal((await elsewhere.ask()).status, 200)
      t.equal((await late.ask()).status, 200)
      t.equal((await grace.signOut()).status, 200)
      t.same(await sql(`select 1 from session where token = '${token}'`), [], 'the session is gone')
      grace.cookies.set(grace.sessionCookie, cookieHeader.slice(cookieHeader.indexOf('=') + 1))
      t.equal((await grace.ask('/me')).status, 401)
      await until(async () => (await elsewhere.ask()).status === 401)
      t.equal((await late.ask()).status, 200, 'nobody could tell')
      t.match(
        await Promise.all(gateways.map(degraded)),
        gateways.map(() => ['session-events'])
      )

      await careless.query('commit')
      for (const gateway of gateways) await until(async () => (await degraded(gateway)).length === 0)
      await until(async () => (await late.ask()).status === 401)
    })

    t.test('afterwards events are heard as before', async (t) => {
      t.equal(await usage(), 0)
      const [stranger] = await database.strangers(patient, 1)
      if (stranger === undefined) throw new Error('nobody')
      t.equal((await stranger.ask('/me')).status, 200)
      await sql('delete from session')
      await until(async () => (await stranger.ask('/me')).status === 401)
    })
  },
  ['pg']
)
