import t from 'tap'
import { sessionWorld } from '../support/session-world.ts'
import { until } from '../support/until.ts'

// With session events off, a look-up that the store has seen before another replica's sign-out knows nothing of it.

/** A store that answers what it has seen when it is told to, one look-up after the other. */
function slowWorld(ttlMs: number) {
  const waiting: (() => void)[] = []
  const made = sessionWorld({ cache: { ttlMs, max: 100, staleMs: 0 } })
  made.world.beforeAnswer = () => new Promise<void>((resolve) => waiting.push(resolve))
  const answered = async (n: number) => {
    await until(() => made.world.reads === n && waiting.length > 0)
    waiting.shift()?.()
  }
  const sent = (n: number) => until(() => made.world.reads === n)
  return { ...made, answered, sent, waiting }
}

t.test('with a TTL of 0 a request does not share a look-up that was sent before it came', async (t) => {
  const { ask, world, sent, answered } = slowWorld(0)
  const before = ask()
  await sent(1)
  world.row = null
  const after = Array.from({ length: 50 }, () => ask())
  await answered(1)
  t.match(await before, { outcome: 'identified' })
  await answered(2)
  t.same(new Set((await Promise.all(after)).map(({ outcome }) => outcome)), new Set(['anonymous']))
  t.equal(world.reads, 2, 'and all who came meanwhile share the next')
})

t.test('whoever comes during that next one waits for one more', async (t) => {
  const { ask, world, sent, answered } = slowWorld(0)
  const [first] = [ask()]
  await sent(1)
  const second = ask()
  await answered(1)
  await sent(2)
  world.row = null
  const third = ask()
  await answered(2)
  await answered(3)
  t.match(await Promise.all([first, second, third]), [
    { outcome: 'identified' },
    { outcome: 'identified' },
    { outcome: 'anonymous' }
  ])
})

t.test('a look-up that fails fails nobody who came after it was sent', async (t) => {
  const { ask, world, sent, answered } = slowWorld(0)
  const before = ask()
  await sent(1)
  const after = ask()
  world.down = true
  await answered(1)
  t.match(await before, { outcome: 'unavailable' })
  await sent(2)
  world.down = false
  await answered(2)
  t.match(await after, { outcome: 'identified' })
})

t.test('with the cache on, a look-up is shared for as long as its decision could be', async (t) => {
  const { ask, world, sent, answered } = slowWorld(1_000)
  const before = ask()
  await sent(1)
  world.row = null
  world.now += 999
  const inTime = ask()
  world.now += 1
  const late = ask()
  await answered(1)
  t.match(await Promise.all([before, inTime]), [{ outcome: 'identified' }, { outcome: 'identified' }])
  t.equal(world.reads, 1, 'any number of them cost one')
  await answered(2)
  t.match(await late, { outcome: 'anonymous' })
})

t.test('an eviction while others wait for the next look-up leaves nobody behind', async (t) => {
  const { ask, world, sessions, sent, waiting } = slowWorld(0)
  const before = ask()
  await sent(1)
  const after = ask()
  world.row = null
  sessions.sessionChanged('t1')
  const last = ask()
  const letGo = setInterval(() => waiting.shift()?.(), 1)
  t.teardown(() => clearInterval(letGo))
  for (const asked of [before, after, last]) t.match(await asked, { outcome: 'anonymous' })
})
