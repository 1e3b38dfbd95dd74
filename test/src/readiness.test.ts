import t from 'tap'
import { Readiness } from '../../src/server/admin-server.ts'

function setUp() {
  const world = { now: 1_000_000, pings: 0, away: false, asleep: false }
  const readiness = new Readiness({
    async ping() {
      world.pings++
      if (world.away) throw new Error('away')
    },
    mayBeAsleep: () => world.asleep,
    eventsLost: () => false,
    now: () => world.now
  })
  readiness.listening = true
  return { world, readiness }
}

t.test('the database is asked at most once a second, however many want to know', async (t) => {
  const { world, readiness } = setUp()
  for (let n = 0; n < 20; n++) t.same(await readiness.report(), { ready: true, degraded: [] })
  t.equal(world.pings, 1)
  world.now += 1_000
  await readiness.report()
  t.equal(world.pings, 2)
})

t.test('a database that may sleep is not woken by the question whether it is there', async (t) => {
  const { world, readiness } = setUp()
  await readiness.report()
  world.asleep = true
  for (let n = 0; n < 20; n++) {
    world.now += 10_000
    t.same(await readiness.report(), { ready: true, degraded: [] })
  }
  t.equal(world.pings, 1)
  world.asleep = false
  await readiness.report()
  t.equal(world.pings, 2)
})

t.test('one that was away is asked until it is back, asleep or not', async (t) => {
  const { world, readiness } = setUp()
  world.away = true
  world.asleep = true
  t.same(await readiness.report(), { ready: false, degraded: ['database'] }, 'it has never answered')
  world.away = false
  world.now += 1_000
  t.same(await readiness.report(), { ready: true, degraded: [] })
  t.equal(world.pings, 2)
})
