import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { LiveSessions } from '../../auth/end-live-connections.ts'

const minute = 60_000

/** Connections whose decisions last for ten minutes, a store, and a clock that the test moves. */
function setUp(listening: boolean) {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const world = {
    now: 1_000_000,
    reads: 0,
    userReads: [] as number[],
    down: false,
    expiresAt: 1_000_000 + 60 * minute,
    ended: 0,
    gone: new Set<string>()
  }
  const live = new LiveSessions({
    async readExpiries(tokens) {
      world.reads++
      if (world.down) throw new Error('down')
      return new Map(tokens.map((token) => [token, world.expiresAt]))
    },
    async readUsers(userIds) {
      world.userReads.push(userIds.length)
      if (world.down) throw new Error('down')
      return new Set(userIds.filter((id) => !world.gone.has(id)))
    },
    listening: () => listening,
    sweepMs: 10 * minute,
    now: () => world.now
  })
  const reference = { token: 't', userId: 'id', session: 's', user: 'u', endsAt: world.expiresAt }
  live.tie(reference, () => world.ended++)
  const pass = async (ms: number) => {
    world.now += ms
    mock.timers.tick(ms)
    for (let n = 0; n < 3; n++) await turn()
  }
  return { world, live, pass, reference }
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

t.test('what is kept open outlasts its session, and ends once when its user is gone', async (t) => {
  const { world, live, pass, reference } = setUp(true)
  let kept = 0
  live.tie(reference, () => kept++, { keepOpen: true })
  await pass(1)
  world.expiresAt = 0
  live.sessionChanged('s')
  await pass(1)
  t.same([world.ended, kept], [1, 0])
  live.userChanged('u')
  await pass(1)
  t.equal(kept, 0, 'the user changed, and is still there')
  world.gone.add('id')
  live.userChanged('u')
  await pass(1)
  t.equal(kept, 1)
  live.userChanged('u')
  live.anythingChanged()
  await pass(10 * minute)
  t.same([world.ended, kept], [1, 1])
  live.stop()
})

t.test('a user who is gone before it is tied ends what would be kept open', async (t) => {
  const { world, live, pass, reference } = setUp(true)
  world.gone.add('id')
  let kept = 0
  live.tie(reference, () => kept++, { keepOpen: true })
  await pass(1)
  t.equal(kept, 1)
  live.stop()
})

t.test(
  'a store that cannot say whether a user is gone ends nothing, and is asked again within ten seconds',
  async (t) => {
    const { world, live, pass, reference } = setUp(true)
    let kept = 0
    world.down = true
    live.tie(reference, () => kept++, { keepOpen: true })
    await pass(1)
    await pass(10_000)
    t.same(world.userReads, [1, 1])
    t.equal(kept, 0)
    world.down = false
    await pass(10_000)
    await pass(10_000)
    t.same(world.userReads, [1, 1, 1], 'and not once more when it has answered')
    world.gone.add('id')
    live.userChanged('u')
    await pass(1)
    t.equal(kept, 1)
    live.stop()
  }
)

t.test('where endings are not announced, users of what is kept open are read as often as decisions last', async (t) => {
  const { world, live, pass, reference } = setUp(false)
  let kept = 0
  live.tie(reference, () => kept++, { keepOpen: true })
  await pass(1)
  world.gone.add('id')
  await pass(10 * minute - 2)
  t.equal(kept, 0)
  await pass(1)
  t.equal(kept, 1)
  live.stop()
})

t.test('what was untied is not ended and not read', async (t) => {
  const { world, live, pass, reference } = setUp(true)
  let kept = 0
  const untie = live.tie(reference, () => kept++, { keepOpen: true })
  await pass(1)
  untie()
  untie()
  world.gone.add('id')
  live.userChanged('u')
  live.anythingChanged()
  await pass(10 * minute)
  t.equal(kept, 0)
  t.same(world.userReads, [1])
  live.stop()
})

t.test('however many users are in doubt, five hundred are read at once, and all of them', async (t) => {
  const { world, live, pass, reference } = setUp(true)
  let kept = 0
  for (let i = 0; i < 1_201; i++) {
    live.tie({ ...reference, user: `u${i}`, userId: `id${i}` }, () => kept++, { keepOpen: true })
    if (i > 0) world.gone.add(`id${i}`)
  }
  await pass(1)
  await pass(1)
  t.same(world.userReads, [500, 500, 201])
  t.equal(kept, 1_200)
  live.stop()
})
