import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { createMonotonicClock } from '../../db/monotonic-clock.ts'
import type { SessionRecord } from '../../db/session-queries.ts'
import { day, sessionWorld } from '../support/session-world.ts'

const minute = 60_000

/** A gateway with a wall clock that somebody sets, and the one by which its decisions age. */
function gatewayWithClocks() {
  const clocks = { wall: 1_000_000_000_000, monotonic: 5_000 }
  const elapsed = createMonotonicClock(
    () => clocks.wall,
    () => clocks.monotonic
  )
  const set = sessionWorld({ now: () => clocks.wall, monotonicNow: elapsed, random: () => 1 })
  const pass = (ms: number) => {
    clocks.wall += ms
    clocks.monotonic += ms
  }
  return { ...set, clocks, pass }
}

t.test('a clock that is set back makes no decision last longer', async (t) => {
  const { ask, world, clocks, pass } = gatewayWithClocks()
  await ask()
  world.row = null
  clocks.wall -= 5 * minute
  pass(9_999)
  t.match(ask(), { outcome: 'identified' })
  await turn()
  pass(1)
  t.match(await ask(), { outcome: 'anonymous' })
})

t.test('a clock that is set forward has everything read again', async (t) => {
  const { ask, world, clocks } = gatewayWithClocks()
  await ask()
  world.row = null
  clocks.wall += 5 * minute
  t.match(await ask(), { outcome: 'anonymous' })
})

t.test('the time for which the machine was suspended counts', async (t) => {
  const { ask, world, clocks } = gatewayWithClocks()
  await ask()
  world.row = null
  clocks.wall += 60 * minute
  clocks.monotonic += 3
  t.match(await ask(), { outcome: 'anonymous' })
})

t.test('a clock that is slowed down or sped up a little, as by NTP, changes nothing', async (t) => {
  const { ask, world, clocks } = gatewayWithClocks()
  await ask()
  for (let second = 0; second < 9; second++) {
    clocks.wall += 1_050 - (second % 2) * 100
    clocks.monotonic += 1_000
    t.notOk(ask() instanceof Promise)
    await turn()
  }
  t.ok(world.reads <= 2)
})

t.test('a session ends by the clock of the gateway that is asked, five minutes apart or not', async (t) => {
  for (const skew of [-5 * minute, 0, 5 * minute]) {
    const truth = { now: 1_000_000_000_000 }
    const { ask, world, record } = sessionWorld({
      now: () => truth.now + skew,
      monotonicNow: () => truth.now,
      sliding: { expiresInMs: 7 * day, updateAgeMs: Number.POSITIVE_INFINITY }
    })
    world.row = record({ expiresAt: truth.now + 60 * minute })
    truth.now += 60 * minute - skew - 1
    t.match(await ask(), { outcome: 'identified' }, `${skew / minute} min`)
    truth.now += 1
    t.match(await ask(), { outcome: 'anonymous' }, `${skew / minute} min`)
  }
})

t.test('replicas five minutes apart refresh a session once a day between them, and sign nobody out', async (t) => {
  const shared: { now: number; row: SessionRecord | null; refreshes: number } = {
    now: 1_000_000_000_000,
    row: null,
    refreshes: 0
  }
  const replicas = [-5 * minute, 5 * minute].map((skew) => {
    const now = () => shared.now + skew
    const set = sessionWorld({
      now,
      monotonicNow: () => shared.now,
      readSession: async () => shared.row,
      // What BetterAuth writes, by the clock of the gateway that it runs in.
      async refresh() {
        shared.refreshes++
        if (shared.row !== null) shared.row = { ...shared.row, expiresAt: now() + 7 * day }
        return ['s=refreshed']
      }
    })
    shared.row ??= set.record({ expiresAt: now() + 7 * day })
    return set
  })
  for (let hour = 0; hour < 10 * 24; hour++) {
    for (const { ask } of replicas) t.match(await ask(), { outcome: 'identified' })
    shared.now += 60 * minute
  }
  t.ok(shared.refreshes >= 8 && shared.refreshes <= 10, `${shared.refreshes} refreshes in ten days`)
})
