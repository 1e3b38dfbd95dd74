import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { LiveSessions } from '../../auth/live-sessions.ts'

const minute = 60_000

/** Connections whose decisions last for ten minutes, a store, and a clock that the test moves. */
function setUp(hearing: boolean) {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const world = { now: 1_000_000, reads: 0, down: false, expiresAt: 1_000_000 + 60 * minute, ended: 0 }
  const live = new LiveSessions({
    async readExpiries(tokens) {
      world.reads++
      if (world.down) throw new Error('down')
      return new Map(tokens.map((token) => [token, world.expiresAt]))
    },
    hearing: () => hearing,
    sweepMs: 10 * minute,
    now: () => world.now
  })
  live.tie({ token: 't', session: 's', user: 'u', expiresAt: world.expiresAt }, () => world.ended++)
  const pass = async (ms: number) => {
    world.now += ms
    mock.timers.tick(ms)
    for (let n = 0; n < 3; n++) await turn()
  }
  return { world, live, pass }
}

t.afterEach(() => mock.timers.reset())

t.test('an expiry is noticed within ten seconds, however long decisions last', async (t) => {
  const { world, live, pass } = setUp(true)
  await pass(59 * minute)
  t.equal(world.reads, 1, 'when it was tied; after that its ending would be announced')
  world.expiresAt = world.now
  await pass(minute + 10_000)
  t.equal(world.ended, 1)
  live.stop()
})

t.test('a reading that failed is tried again within ten seconds', async (t) => {
  const { world, live, pass } = setUp(true)
  await pass(1)
  world.down = true
  live.sessionChanged('s')
  await pass(1)
  t.equal(world.ended, 0, 'an outage ends nothing')
  world.down = false
  world.expiresAt = 0
  await pass(10_000)
  t.equal(world.ended, 1)
  live.stop()
})

t.test('where endings are not announced all are read as often as decisions last, and not more often', async (t) => {
  const { world, live, pass } = setUp(false)
  await pass(10 * minute - 1)
  t.equal(world.reads, 1)
  await pass(1)
  t.equal(world.reads, 2)
  live.stop()
})
