import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { day, sessionWorld, signer } from '../support/session-world.ts'

// Full size by hand: GATEHOUSE_TEST_COOKIES=1000000 with 10,000 held.
const cookies = Number(process.env['GATEHOUSE_TEST_COOKIES'] ?? 60_000)
const max = cookies / 100

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** What is left when all that can go has gone: some of it is let go only by what a collection has set off. */
async function heapMegabytes(): Promise<number> {
  for (let times = 0; times < 3; times++) {
    collect()
    await turn()
  }
  return process.memoryUsage().heapUsed / 1_048_576
}

/** A store in which every other token is a session, of as many users, and the next is none. */
function crowdedWorld() {
  const set = sessionWorld({
    cache: { ttlMs: 600_000, max, staleMs: 0 },
    async readSession(token) {
      const n = Number(token.slice(1))
      if (n % 2 === 1) return null
      return set.record({ token, sessionId: `s${n}`, userId: `u${n}`, expiresAt: set.world.now + 7 * day })
    }
  })
  return set
}

t.test(`${cookies} different cookies take no more memory than a hundredth of them`, async (t) => {
  const { sessions } = crowdedWorld()
  const askUpTo = async (from: number, to: number) => {
    for (let n = from; n < to; n += 100) {
      const crowd = Array.from({ length: Math.min(100, to - n) }, (_, i) => signer.sign(`t${n + i}`))
      await Promise.all(crowd.map((cookie) => sessions.resolve(cookie, `s=${cookie}`)))
    }
  }
  await askUpTo(0, max * 4)
  const full = await heapMegabytes()
  await askUpTo(max * 4, cookies)
  const afterwards = await heapMegabytes()
  t.comment(`${full.toFixed(1)} MB with the cache full, ${afterwards.toFixed(1)} MB after all`)
  // Kept, they would be thirty and more; the heap of a busy process is some larger or smaller by itself.
  t.ok(afterwards < full + 12, `${full.toFixed(1)} MB, then ${afterwards.toFixed(1)} MB`)

  const last = signer.sign(`t${cookies - 2}`)
  t.notOk(sessions.resolve(last, `s=${last}`) instanceof Promise, 'the last one is held')
  const first = signer.sign('t0')
  t.ok(sessions.resolve(first, `s=${first}`) instanceof Promise, 'the first is not')
})

t.test('events about sessions and users that nobody holds leave nothing behind', async (t) => {
  const { sessions } = crowdedWorld()
  const before = await heapMegabytes()
  for (let n = 0; n < cookies; n++) {
    sessions.sessionChanged(`t${n}`)
    sessions.userChanged(`u${n}`)
  }
  const afterwards = await heapMegabytes()
  t.comment(`${before.toFixed(1)} MB before, ${afterwards.toFixed(1)} MB afterwards`)
  t.ok(afterwards < before + 8)
})

t.test('a user with a thousand sessions is read again in all of them, and nobody else is', async (t) => {
  const { world, sessions } = sessionWorld({
    cache: { ttlMs: 600_000, max: 3_000, staleMs: 0 },
    async readSession(token) {
      world.reads++
      return record({ token, sessionId: token, userId: token.startsWith('a') ? 'ada' : 'bob' })
    }
  })
  const { record } = sessionWorld()
  const ask = (token: string) => sessions.resolve(signer.sign(token), `s=${signer.sign(token)}`)
  const tokens = (name: string) => Array.from({ length: 1_000 }, (_, n) => `${name}${n}`)
  await Promise.all([...tokens('a'), ...tokens('b')].map(ask))
  t.equal(world.reads, 2_000)
  sessions.userChanged('ada')
  t.ok(tokens('b').every((token) => !(ask(token) instanceof Promise)))
  await Promise.all(tokens('a').map(ask))
  t.equal(world.reads, 3_000)
  for (const token of tokens('a')) sessions.sessionChanged(token)
  t.ok(tokens('b').every((token) => !(ask(token) instanceof Promise)))
  await Promise.all(tokens('a').map(ask))
  t.equal(world.reads, 4_000)
})
