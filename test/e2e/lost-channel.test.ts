import t from 'tap'
import { migrateOnce } from '../support/embedded-database.ts'
import { degraded, eachFaultyDatabase } from '../support/faults.ts'
import type { TestGateway } from '../support/gateway.ts'
import { startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

const listening = 'listen "gatehouse"'
const lostLine = 'session events are not heard'
const backLine = 'session events are heard again'
// A server that is mute is noticed by the heartbeat's own time-out, which need not take five seconds here.
const patience = { connectionTimeoutMs: 2_000, statementTimeoutMs: 2_000 }

const isLost = (gateway: TestGateway) =>
  until(async () => (await degraded(gateway)).includes('session-events') && gateway.logged().includes(lostLine), 60_000)
const isWell = (gateway: TestGateway) => until(async () => (await degraded(gateway)).length === 0, 60_000)
const lines = (gateway: TestGateway, text: string) => gateway.logged().split(text).length - 1

await eachFaultyDatabase(t, async (t, database) => {
  const { network, postgres, sql } = database
  // Its decisions last ten minutes, so that nothing but the channel explains an earlier end.
  const patient = await database.startGateway({ SESSION_CACHE_TTL: '600' }, patience)
  const strict = await database.startGateway({ SESSION_CACHE_TTL: '1' }, patience)

  /** A session that this gateway knows. */
  async function known(gateway: TestGateway) {
    const [browser] = await database.strangers(gateway, 1)
    if (browser === undefined) throw new Error('nobody')
    await until(async () => (await browser.ask('/me')).status === 200, 60_000)
    const [token = ''] = decodeURIComponent(browser.cookies.get(browser.sessionCookie) ?? '').split('.')
    return { browser, end: () => sql(`delete from session where token = '${token}'`) }
  }

  t.test('without a channel decisions keep their time and no more; once it is back they are read again', async (t) => {
    const [long, brief] = [await known(patient), await known(strict)]
    const [lostBefore, backBefore] = [lines(patient, lostLine), lines(patient, backLine)]
    await network.refuse()
    await Promise.all([isLost(patient), isLost(strict)])
    await long.end()
    await brief.end()
    const endedAt = Date.now()
    t.equal((await long.browser.ask('/me')).status, 200, 'nobody could tell, and the decision lasts')
    let sentAt = Date.now()
    let lastLetThroughAt = 0
    await until(async () => {
      sentAt = Date.now()
      const { status } = await brief.browser.ask('/me')
      if (status === 200) lastLetThroughAt = sentAt
      return status === 503
    })
    t.ok(lastLetThroughAt <= endedAt + 1_000, 'the other has run out in time')
    await network.heal()
    await until(async () => (await long.browser.ask('/me')).status === 401)
    await until(async () => (await brief.browser.ask('/me')).status === 401)
    await Promise.all([isWell(patient), isWell(strict)])
    t.equal(lines(patient, lostLine) - lostBefore, 1, 'however often it was tried, its loss is logged once')
    t.equal(lines(patient, backLine) - backBefore, 1, 'and so is its return')
  })

  t.test(
    'a channel that went mute without an end is noticed, opened again, and everything is read again',
    async (t) => {
      const { browser, end } = await known(patient)
      const [lostBefore, backBefore] = [lines(patient, lostLine), lines(patient, backLine)]
      const channels = network.connections().filter((connection) => connection.said(listening))
      t.equal(channels.length, 2)
      for (const channel of channels) channel.freeze()
      await end()
      t.equal((await browser.ask('/me')).status, 200, 'the event was never heard')
      await until(async () => (await browser.ask('/me')).status === 401, 60_000)
      await until(() => lines(patient, backLine) > backBefore, 60_000)
      t.equal(lines(patient, lostLine) - lostBefore, 1)
      t.equal(lines(patient, backLine) - backBefore, 1)
      await isWell(patient)
    }
  )

  t.test('a channel that a restart of the database cut is opened again', async (t) => {
    const [one, other] = [await known(patient), await known(patient)]
    await postgres.stop()
    await isLost(patient)
    t.equal((await one.browser.ask('/me')).status, 200)
    await postgres.start()
    await one.end()
    await until(async () => (await one.browser.ask('/me')).status === 401, 60_000)
    await isWell(patient)
    t.equal((await other.browser.ask('/me')).status, 200, 'nobody else is signed out')
    await other.end()
    await until(async () => (await other.browser.ask('/me')).status === 401, 60_000)
  })

  t.test('after a failover to another server sessions go on, end, and are announced as before', async (t) => {
    const [goesOn, endsMeanwhile, endsLater] = [await known(patient), await known(patient), await known(patient)]
    const standby = await startPostgres(t)
    const [{ name = '' } = {}] = await sql('select current_database() as name')
    await standby.query(`create role ${database.role} superuser login password 'not-a-secret'`)
    const url = await standby.createDatabase(String(name))
    await migrateOnce({ driver: 'pg', url })
    for (const table of ['"user"', 'session']) {
      const [{ rows = '[]' } = {}] = await sql(`select json_agg(x)::text as rows from ${table} x`)
      await standby.query(
        `insert into ${table} select * from json_populate_recordset(null::${table}, $$${rows}$$)`,
        url
      )
    }
    const tokenOf = ({ browser }: typeof goesOn) =>
      decodeURIComponent(browser.cookies.get(browser.sessionCookie) ?? '').split('.')[0]
    await network.refuse()
    await isLost(patient)
    await standby.query(`delete from session where token = '${tokenOf(endsMeanwhile)}'`, url)
    t.equal((await goesOn.browser.ask('/me')).status, 200)
    network.redirect(standby.port)
    await network.heal()
    await until(async () => {
      t.equal((await goesOn.browser.ask('/me')).status, 200)
      return (await endsMeanwhile.browser.ask('/me')).status === 401
    }, 60_000)
    await isWell(patient)
    await standby.query(`delete from session where token = '${tokenOf(endsLater)}'`, url)
    await until(async () => (await endsLater.browser.ask('/me')).status === 401)
    t.equal((await goesOn.browser.ask('/me')).status, 200)
    network.redirect(postgres.port)
    network.cut()
    await isWell(patient)
  })
})
