import t from 'tap'
import { cookie, day, header, sessionWorld, signer } from '../support/session-world.ts'
import { until } from '../support/until.ts'

t.test('a session that was just read answers at once, without a promise', async (t) => {
  const { ask, world } = sessionWorld()
  t.match(await ask(), { outcome: 'identified', identity: { userId: 'u1' } })
  const again = ask()
  t.notOk(again instanceof Promise)
  t.equal(world.reads, 1)
})

t.test('fifty simultaneous first requests make one look-up', async (t) => {
  const { ask, world } = sessionWorld()
  const verdicts = await Promise.all(Array.from({ length: 50 }, () => ask()))
  t.ok(verdicts.every((verdict) => verdict.outcome === 'identified'))
  t.equal(world.reads, 1)
})

t.test('a forged cookie makes no look-up', async (t) => {
  const { ask, world } = sessionWorld()
  t.match(await ask('t1.AAAA'), { outcome: 'anonymous' })
  t.equal(world.reads, 0)
})

t.test('a well-signed cookie of no session makes one look-up, not one a request', async (t) => {
  const { ask, world } = sessionWorld()
  world.row = null
  for (let i = 0; i < 5; i++) t.match(await ask(), { outcome: 'anonymous' })
  t.equal(world.reads, 1)
})

t.test('a decision is read again after the TTL', async (t) => {
  const { ask, world } = sessionWorld()
  await ask()
  world.row = null
  world.now += 9_999
  t.match(await ask(), { outcome: 'identified' })
  world.now += 1
  t.match(await ask(), { outcome: 'anonymous' })
})

t.test('a decision never outlives its session', async (t) => {
  const { ask, world, record } = sessionWorld()
  world.row = record({ expiresAt: world.now + 5 })
  await ask('x', header) // a malformed cookie changes nothing
  t.match(await ask(cookie, `${header}; d=${signer.sign('true')}`), { outcome: 'identified' })
  world.now += 5
  t.match(await ask(cookie, `${header}; d=${signer.sign('true')}`), { outcome: 'anonymous' })
})

t.test('with a TTL of 0 every request is read, and simultaneous ones still once', async (t) => {
  const { ask, world } = sessionWorld({ cache: { ttlMs: 0, max: 100, staleMs: 0 } })
  await ask()
  await ask()
  t.equal(world.reads, 2)
  await Promise.all([ask(), ask(), ask()])
  t.equal(world.reads, 3)
})

t.test('a session that ends while it is looked up is not cached and not let in', async (t) => {
  const { ask, world, sessions } = sessionWorld()
  let ended = false
  world.beforeAnswer = () => {
    if (ended) return
    ended = true
    world.row = null
    sessions.sessionChanged('t1')
  }
  t.match(await ask(), { outcome: 'anonymous' })
  t.match(await ask(), { outcome: 'anonymous' })
})

t.test('whoever asks after a user has changed again is not answered by a look-up that is older', async (t) => {
  const { ask, world, sessions, record } = sessionWorld()
  const answers: (() => void)[] = []
  world.beforeAnswer = () => new Promise((resolve) => answers.push(resolve))
  const reads = (count: number) => until(() => answers.length === count)
  const first = ask()
  await reads(1)
  sessions.userChanged('u1')
  answers[0]?.()
  await reads(2)
  world.row = record({ bannedUntil: Number.POSITIVE_INFINITY })
  sessions.userChanged('u1')
  const second = ask()
  await reads(3)
  for (const answer of answers) answer()
  await first
  t.match(await second, { outcome: 'anonymous' })
})

t.test('a sign-out is effective at once', async (t) => {
  const { ask, world, sessions } = sessionWorld()
  await ask()
  world.row = null
  sessions.sessionChanged('t1')
  t.match(await ask(), { outcome: 'anonymous' })
})

t.test("a change of the user is read again, for all of the user's sessions", async (t) => {
  const { ask, world, sessions, record } = sessionWorld()
  await ask()
  world.row = record({ email: 'new@example.com' })
  sessions.userChanged('somebody else')
  t.match(await ask(), { identity: { email: 'a@example.com' } })
  sessions.userChanged('u1')
  t.match(await ask(), { identity: { email: 'new@example.com' } })
})

t.test('a session that is due is refreshed once and its cookies reach those who asked', async (t) => {
  const { ask, world, sessions, record } = sessionWorld()
  world.row = record({ expiresAt: world.now + 5 * day })
  // BetterAuth tells of the update while the look-up that asked for it is still in flight.
  const verdicts = Promise.all([ask(), ask()])
  sessions.sessionChanged('t1')
  for (const verdict of await verdicts) t.match(verdict, { outcome: 'identified', setCookies: ['s=refreshed'] })
  t.equal(world.refreshes, 1)
  t.match(await ask(), { outcome: 'identified', setCookies: [] })
})

t.test('a session without "remember me" is never refreshed', async (t) => {
  const { ask, world, record } = sessionWorld()
  world.row = record({ expiresAt: world.now + day })
  t.match(await ask(cookie, `${header}; d=${signer.sign('true')}`), { outcome: 'identified', setCookies: [] })
  t.equal(world.refreshes, 0)
})

t.test('a forged "do not remember" mark is no mark', async (t) => {
  const { ask, world, record } = sessionWorld()
  world.row = record({ expiresAt: world.now + day })
  await ask(cookie, `${header}; d=true.forged`)
  t.equal(world.refreshes, 1)
})

t.test('a store that fails is unavailable: neither yes nor no, and remembered by nobody', async (t) => {
  const { ask, world } = sessionWorld()
  world.down = true
  t.match(await ask(), { outcome: 'unavailable' })
  world.down = false
  t.match(await ask(), { outcome: 'identified' })
})

t.test('a known session outlives its decision while the store is away, for as long as configured', async (t) => {
  const { ask, world } = sessionWorld({ cache: { ttlMs: 10_000, max: 100, staleMs: 5_000 } })
  await ask()
  world.down = true
  world.now += 14_999
  t.match(await ask(), { outcome: 'identified' })
  world.now += 1
  t.match(await ask(), { outcome: 'unavailable' })
})

t.test('a session that could not be refreshed is still a session', async (t) => {
  const { ask, world, record } = sessionWorld({ refresh: () => Promise.reject(new Error('read-only')) })
  world.row = record({ expiresAt: world.now + 5 * day })
  t.match(await ask(), { outcome: 'identified', setCookies: [] })
})

t.test('at most so many sessions are held', async (t) => {
  const { sessions, world } = sessionWorld({ cache: { ttlMs: 10_000, max: 3, staleMs: 0 } })
  for (const token of ['a', 'b', 'c', 'd']) await sessions.resolve(signer.sign(token), header)
  t.ok(sessions.resolve(signer.sign('a'), header) instanceof Promise, 'the oldest was let go')
  t.notOk(sessions.resolve(signer.sign('d'), header) instanceof Promise)
  t.ok(world.reads >= 4)
})

t.test('a refresh that reached nobody is due again, and one of a forged cookie is nothing', async (t) => {
  const { world, sessions } = sessionWorld()
  sessions.refreshLost(cookie, 1)
  sessions.refreshLost(decodeURIComponent(cookie), 2)
  sessions.refreshLost(`${cookie.slice(0, 1) === 'A' ? 'B' : 'A'}${cookie.slice(1)}`, 3)
  t.same(world.dueAgain, ['t1 1', 't1 2'])
})
