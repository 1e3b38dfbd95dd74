import t, { type Test } from 'tap'
import { removeExpired } from '../../db/expired-rows.ts'
import { openDatabase } from '../../db/open-database.ts'
import { session, user, verification } from '../../db/schema.ts'
import { startHousekeeping } from '../../src/housekeeping.ts'
import { makeEmbedded } from '../support/embedded-database.ts'
import { until } from '../support/until.ts'

const day = 86_400_000
const minute = 60_000

async function expiredRows(t: Test, count: number) {
  const database = await openDatabase({ driver: 'pglite', dataDir: await makeEmbedded(t) })
  t.teardown(() => database.close())
  const at = new Date(Date.now() - 2 * day)
  await database.db.insert(user).values({ id: 'ann', name: 'Ann', email: 'ann@example.com' })
  const rows = Array.from({ length: count }, (_, i) => ({ id: `s${i}`, expiresAt: at, updatedAt: at }))
  await database.db.insert(session).values(rows.map((row) => ({ ...row, token: row.id, userId: 'ann' })))
  await database.db.insert(verification).values(rows.map((row) => ({ ...row, identifier: 'x', value: 'y' })))
  return database
}

/** Timers that go off when the test says so, and what was logged. */
function helm() {
  const said: string[] = []
  const timers: { ms: number; work: () => void; off: boolean }[] = []
  return {
    said,
    timers,
    log: {
      info: (_: unknown, text?: string) => said.push(`info ${text}`),
      warn: (_: unknown, text?: string) => said.push(`warn ${text}`)
    },
    later(ms: number, work: () => void) {
      const timer = { ms, work, off: false }
      timers.push(timer)
      return () => {
        timer.off = true
      }
    },
    /** Lets the last timer go off, and waits for the next. */
    async goOff() {
      const { length } = timers
      timers.at(-1)?.work()
      await until(() => timers.length > length)
    }
  }
}

t.test('what expired long ago is gone some minutes after the start, and after that every hour', async (t) => {
  const database = await expiredRows(t, 300)
  const { said, timers, log, later, goOff } = helm()
  const stop = startHousekeeping({ database, log, later, onlyWhileAwake: false, random: () => 0.5 })
  t.equal(timers[0]?.ms, 5 * minute)
  await goOff()
  t.equal(timers[1]?.ms, 60 * minute)
  t.same(said, ['info what had expired was removed'])
  t.equal(await database.db.$count(session), 0)
  t.equal(await database.db.$count(verification), 0)
  await goOff()
  t.equal(said.length, 1, 'nothing was left, and nothing is said')
  await stop()
  t.equal(timers.at(-1)?.off, true)
})

t.test('replicas do not come at once', async (t) => {
  const database = await expiredRows(t, 1)
  const first = [0, 0.999].map((random) => {
    const { timers, log, later } = helm()
    void startHousekeeping({ database, log, later, onlyWhileAwake: false, random: () => random })
    return timers[0]?.ms ?? 0
  })
  t.ok((first[1] ?? 0) - (first[0] ?? 0) > minute)
})

t.test('a failure is said once, tried again later, and forgotten when it is over', async (t) => {
  const { db, schema, schemaName } = await expiredRows(t, 1)
  let away = true
  const database = {
    get db() {
      if (away) throw new Error('a canary that no log may show')
      return db
    },
    schema,
    schemaName,
    awake: () => true
  }
  const { said, timers, log, later, goOff } = helm()
  const stop = startHousekeeping({ database, log, later, onlyWhileAwake: false })
  await goOff()
  await goOff()
  t.same(said, ['warn what has expired cannot be removed now: it is tried again later'])
  away = false
  await goOff()
  t.match(said[1], /^info /)
  away = true
  await goOff()
  t.equal(said.length, 3)
  t.equal(timers.length, 5)
  await stop()
})

t.test('a database that sleeps is left asleep where it may scale to zero', async (t) => {
  const { db, schema, schemaName } = await expiredRows(t, 1)
  let awake = false
  const { timers, log, later, goOff } = helm()
  const asked = { count: 0 }
  const database = {
    get db() {
      asked.count++
      return db
    },
    schema,
    schemaName,
    awake: () => awake
  }
  const stop = startHousekeeping({ database, log, later, onlyWhileAwake: true })
  await goOff()
  await goOff()
  t.equal(asked.count, 0)
  t.ok((timers.at(-1)?.ms ?? 0) <= minute, 'it looks again soon, and asks nobody')
  awake = true
  await goOff()
  t.ok(asked.count > 0)
  t.equal(await db.$count(session), 0)
  await stop()
})

t.test('stopping waits for the batch that is on its way and begins no other', async (t) => {
  const { db, schema, schemaName } = await expiredRows(t, 600)
  const { timers, log, later } = helm()
  let batches = 0
  const database = {
    get db() {
      batches++
      return db
    },
    schema,
    schemaName,
    awake: () => true
  }
  const stop = startHousekeeping({ database, log, later, onlyWhileAwake: false })
  timers[0]?.work()
  await stop()
  const left = await db.$count(session)
  t.equal(left, 350, 'one batch is gone')
  t.equal(batches, 1)
  t.equal(timers.length, 1)
})

t.test('nothing is left of many batches', async (t) => {
  const database = await expiredRows(t, 600)
  t.same(await removeExpired(database, new AbortController().signal), { session: 600, verification: 600 })
})
