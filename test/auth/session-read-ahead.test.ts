import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { cookie, day, header, sessionWorld, signer } from '../support/session-world.ts'

const early = { random: () => 0 }

t.test('nobody waits for a session that is in use: it is read again before its decision runs out', async (t) => {
  const { ask, world } = sessionWorld(early)
  await ask()
  for (let round = 0; round < 5; round++) {
    world.now += 7_499
    t.notOk(ask() instanceof Promise)
    await turn()
    t.equal(world.reads, 1 + round, 'not yet')
    world.now += 1
    for (let n = 0; n < 100; n++) t.notOk(ask() instanceof Promise)
    await turn()
    t.equal(world.reads, 2 + round, 'once')
  }
})

t.test('it is read in the last quarter, spread, so that not all are read at once', async (t) => {
  const { ask, world } = sessionWorld({ random: () => 1 })
  await ask()
  world.now += 8_999
  await ask()
  t.equal(world.reads, 1)
  world.now += 1
  t.notOk(ask() instanceof Promise)
  await turn()
  t.equal(world.reads, 2)
})

t.test('what nobody asks for is not read', async (t) => {
  const { ask, world } = sessionWorld(early)
  await ask()
  world.now += 60_000
  await turn()
  t.equal(world.reads, 1)
  world.row = null
  await ask()
  world.now += 9_999
  t.match(ask(), { outcome: 'anonymous' })
  await turn()
  t.equal(world.reads, 2, 'nor is a session again that does not exist')
})

t.test('a decision is as old as the beginning of its reading', async (t) => {
  const { ask, world } = sessionWorld(early)
  let slow = 4_000
  world.beforeAnswer = () => {
    world.now += slow
  }
  await ask()
  slow = 0
  world.now += 5_999
  t.notOk(ask() instanceof Promise)
  world.row = null
  world.beforeAnswer = () => new Promise(() => {})
  world.now += 1
  t.ok(ask() instanceof Promise)
})

t.test('a session that is found to be over is over, before its decision has run out', async (t) => {
  const { ask, world } = sessionWorld(early)
  await ask()
  world.row = null
  world.now += 7_500
  t.match(ask(), { outcome: 'identified' })
  await turn()
  t.match(ask(), { outcome: 'anonymous' })
})

t.test('when it cannot be read the decision stays for the rest of its time', async (t) => {
  const { ask, world } = sessionWorld(early)
  await ask()
  world.down = true
  world.now += 7_500
  for (let n = 0; n < 10; n++) {
    t.match(ask(), { outcome: 'identified' })
    await turn()
  }
  t.equal(world.reads, 2, 'one attempt')
  world.now += 2_499
  t.match(ask(), { outcome: 'identified' })
  world.now += 1
  t.match(await ask(), { outcome: 'unavailable' })
})

t.test('a session that ends meanwhile is not brought back', async (t) => {
  const { ask, world, sessions } = sessionWorld(early)
  await ask()
  world.now += 7_500
  let answer = () => {}
  world.beforeAnswer = () =>
    new Promise((resolve) => {
      answer = resolve
    })
  ask()
  await turn()
  world.row = null
  sessions.sessionChanged('t1')
  world.beforeAnswer = () => {}
  answer()
  await turn()
  t.match(await ask(), { outcome: 'anonymous' })
})

t.test('whoever needs the decision meanwhile waits for the same reading', async (t) => {
  const { ask, world } = sessionWorld(early)
  await ask()
  world.now += 7_500
  let answer = () => {}
  world.beforeAnswer = () =>
    new Promise((resolve) => {
      answer = resolve
    })
  ask()
  await turn()
  world.now += 2_500
  const waiting = [ask(), ask()]
  t.ok(waiting[0] instanceof Promise)
  world.beforeAnswer = () => {}
  answer()
  for (const verdict of await Promise.all(waiting)) t.match(verdict, { outcome: 'identified' })
  t.equal(world.reads, 2)
})

t.test('a session that is due is left to a request, whose answer can carry the new cookie', async (t) => {
  const { ask, world, record } = sessionWorld(early)
  world.row = record({ expiresAt: world.now + 6 * day + 5_000 })
  await ask()
  world.now += 7_500
  t.match(ask(), { outcome: 'identified', setCookies: [] })
  await turn()
  t.equal(world.reads, 2)
  t.equal(world.refreshes, 0)
  world.now += 2_499
  t.match(ask(), { outcome: 'identified', setCookies: [] })
  world.now += 1
  t.match(await ask(), { outcome: 'identified', setCookies: ['s=refreshed'] })
  t.equal(world.refreshes, 1)
})

t.test('so is one that somebody is already waiting for', async (t) => {
  const { ask, world, record } = sessionWorld(early)
  world.row = record({ expiresAt: world.now + 6 * day + 5_000 })
  await ask()
  world.now += 7_500
  let answer = () => {}
  world.beforeAnswer = () =>
    new Promise((resolve) => {
      answer = resolve
    })
  ask()
  await turn()
  world.now += 2_500
  const waiting = [ask(), ask()]
  world.beforeAnswer = () => {}
  answer()
  for (const verdict of await Promise.all(waiting)) t.match(verdict, { setCookies: ['s=refreshed'] })
  t.equal(world.refreshes, 1)
})

t.test('a session without "remember me" is read ahead too, and never refreshed', async (t) => {
  const { ask, world, record } = sessionWorld(early)
  world.row = record({ expiresAt: world.now + day })
  const all = `${header}; d=${signer.sign('true')}`
  await ask(cookie, all)
  for (let round = 0; round < 3; round++) {
    world.now += 7_500
    t.notOk(ask(cookie, all) instanceof Promise)
    await turn()
    t.equal(world.reads, 2 + round)
  }
  t.equal(world.refreshes, 0)
})
