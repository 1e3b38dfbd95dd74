import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { createConcurrencyLimit } from '../../db/semaphore.ts'

t.test('so many work at once, the others follow in their order, failures or not', async (t) => {
  const takeTurn = createConcurrencyLimit({ permits: 2 })
  const started: number[] = []
  const ends: ((failed: boolean) => void)[] = []
  const tasks = [0, 1, 2, 3].map((n) =>
    takeTurn(async () => {
      started.push(n)
      const failed = await new Promise<boolean>((resolve) => {
        ends[n] = resolve
      })
      if (failed) throw new Error(`task ${n}`)
      return n
    })
  )
  const outcomes = Promise.allSettled(tasks)
  await setImmediate()
  t.same(started, [0, 1])
  ends[1]?.(true)
  await setImmediate()
  t.same(started, [0, 1, 2])
  const late = takeTurn(async () => 'late')
  ends[2]?.(false)
  await setImmediate()
  t.same(started, [0, 1, 2, 3], 'who came later does not jump the queue')
  ends[0]?.(false)
  ends[3]?.(false)
  t.same(
    (await outcomes).map((outcome) => outcome.status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled']
  )
  t.equal(await late, 'late')
  t.equal(await takeTurn(async () => 'again'), 'again', 'every turn was given back')
})

t.test('who finds too many waiting is turned away, and nobody else', async (t) => {
  const takeTurn = createConcurrencyLimit({ permits: 1, maxWaiting: 1, refusal: () => new Error('come back later') })
  let end = () => {}
  const first = takeTurn(
    () =>
      new Promise<string>((resolve) => {
        end = () => resolve('first')
      })
  )
  const second = takeTurn(async () => 'second')
  await t.rejects(
    takeTurn(async () => 'third'),
    { message: 'come back later' }
  )
  end()
  t.same(await Promise.all([first, second]), ['first', 'second'])
  t.equal(await takeTurn(async () => 'later'), 'later')
})

t.test('work inside a turn needs none of its own', async (t) => {
  const takeTurn = createConcurrencyLimit({ permits: 1, maxWaiting: 0 })
  t.equal(await takeTurn(() => takeTurn(async () => 'inside')), 'inside')
})
