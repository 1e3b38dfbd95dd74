import t from 'tap'
import { Admission, type AdmissionOptions } from '../../db/drivers/connection-lending.ts'
import { until } from '../support/until.ts'

function setUp(options: Partial<AdmissionOptions> = {}) {
  const store = { probes: 0, probing: 0, most: 0, cuts: 0, up: true, mute: false, away: [] as boolean[] }
  const admission = new Admission({
    permits: 2,
    waitingMax: 3,
    patienceMs: 200,
    async probe() {
      store.probes++
      store.most = Math.max(store.most, ++store.probing)
      try {
        await new Promise((resume) => setTimeout(resume, store.mute ? 10_000 : 1).unref())
        if (!store.up) throw new Error('refused')
      } finally {
        store.probing--
      }
    },
    cutConnections() {
      store.cuts++
      store.probing = 0
    },
    onAway: (away) => store.away.push(away),
    ...options
  })
  const fail = (error: unknown = new Error('refused')) => {
    for (let n = 0; n < 3; n++) admission.record(error)
  }
  return { store, admission, fail }
}

t.test('so many are in at once, and the next comes in when one leaves', async (t) => {
  const { admission } = setUp()
  const [first] = await Promise.all([admission.enter(), admission.enter()])
  const third = admission.enter()
  t.equal(admission.waiting, 1)
  first()
  first()
  await third
  t.equal(admission.waiting, 0)
  const fourth = admission.enter()
  t.equal(admission.waiting, 1, 'leaving twice frees one place')
  await t.rejects(fourth, { code: 'DATABASE_BUSY' }, 'nobody waits for ever')
  t.equal(admission.waiting, 0)
})

t.test('who finds too many waiting is turned away at once', async (t) => {
  const { admission } = setUp()
  await Promise.all([admission.enter(), admission.enter()])
  const waiting = [admission.enter(), admission.enter(), admission.enter()]
  await t.rejects(admission.enter(), { code: 'DATABASE_BUSY' })
  admission.close()
  for (const wait of waiting) await t.rejects(wait)
})

t.test('failures in a row and a failed probe turn everybody away at once, until a probe is answered', async (t) => {
  const { store, admission, fail } = setUp()
  store.up = false
  await Promise.all([admission.enter(), admission.enter()])
  const waiting = admission.enter()
  fail()
  await t.rejects(waiting, { code: 'DATABASE_AWAY' })
  await t.rejects(admission.enter(), { code: 'DATABASE_AWAY' })
  store.up = true
  await until(async () => store.away.length === 2)
  t.same(store.away, [true, false])
  admission.close()
})

t.test('failures that a probe does not confirm keep nobody out', async (t) => {
  const { store, admission, fail } = setUp()
  fail()
  const leave = await admission.enter()
  leave()
  t.equal(store.probes, 1)
  t.same(store.away, [])
})

t.test('failures with an answer in between raise no doubt', async (t) => {
  const { store, admission } = setUp()
  for (let n = 0; n < 9; n++) admission.record(n % 3 === 2 ? undefined : new Error('lost'))
  const refused = (code: string) => Object.assign(new Error(), { code })
  for (let n = 0; n < 9; n++) admission.record(refused('25006'))
  t.equal(store.probes, 0, 'a server that says no to a statement is there')
  for (let n = 0; n < 3; n++) admission.record(refused('57P01'))
  t.equal(store.probes, 1, 'but not one that is shutting down')
})

t.test('whoever stays too long raises a doubt, and a mute store is given up within the patience', async (t) => {
  const { store, admission } = setUp({ patienceMs: 1_000 })
  store.mute = true
  const [leave] = await Promise.all([admission.enter(), admission.enter()])
  await t.rejects(admission.enter())
  await until(() => store.cuts === 1)
  leave()
  store.mute = false
  await until(async () => store.away.length === 2)
  admission.close()
})

t.test('a process that is too busy to keep up gives nothing up while anything is answered', async (t) => {
  let failProbe = (_: Error) => {}
  const probe = () =>
    new Promise<never>((_, reject) => {
      store.probes++
      failProbe = reject
    })
  const { store, admission } = setUp({ probe })
  const [leave] = await Promise.all([admission.enter(), admission.enter()])
  const waiting = admission.enter()
  const answers = setInterval(() => admission.record(), 50)
  await t.rejects(waiting, { code: 'DATABASE_BUSY' })
  clearInterval(answers)
  t.equal(store.probes, 0, 'no doubt while there are answers')
  await until(() => store.probes === 1)
  admission.record()
  failProbe(new Error('late'))
  leave()
  t.ok(await admission.enter(), 'and an answer to anybody dispels the doubt')
  t.same(store.away, [])
  admission.close()
})

t.test('at first and after a return few come in, and more with every answer', async (t) => {
  const { admission, fail, store } = setUp({ permits: 5, waitingMax: 100, patienceMs: 5_000 })
  const enter = (count: number) => Promise.all(Array.from({ length: count }, () => admission.enter()))
  const [first, second] = await enter(2)
  const third = enter(2)
  t.equal(admission.waiting, 2)
  admission.record()
  first?.()
  const leaves = await third
  t.equal(admission.waiting, 0, 'one for the one that left, and one more')
  for (const leave of [second, ...leaves]) leave?.()
  store.up = false
  fail()
  await until(() => store.away.length === 1)
  store.up = true
  await until(() => store.away.length === 2)
  await enter(2)
  const more = admission.enter()
  t.equal(admission.waiting, 1)
  admission.close()
  await t.rejects(more)
})

t.test('one probe is out at a time', async (t) => {
  const { store, admission, fail } = setUp()
  store.up = false
  fail()
  fail()
  for (let n = 0; n < 5; n++) void admission.probeNow()
  await until(() => store.probes >= 2)
  await Promise.all([admission.probeNow(), admission.probeNow()])
  await until(() => store.probes >= 3)
  t.equal(store.most, 1)
  admission.close()
})

t.test('where the server itself says no, its connections are kept', async (t) => {
  const tooMany = Object.assign(new Error(), { code: '53300' })
  const { store, admission, fail } = setUp({ probe: () => Promise.reject(tooMany) })
  fail(tooMany)
  await until(() => store.away.length === 1)
  t.equal(store.cuts, 0)
  admission.close()
})

t.test('a probe that is patient and stuck does not keep a store away that is back', async (t) => {
  const { store, admission, fail } = setUp({
    patienceMs: 1_200,
    probe: () => (++store.probes <= 4 ? new Promise(() => {}) : Promise.resolve())
  })
  fail()
  await until(() => store.away.length === 2, 60_000)
  t.equal(store.probes, 5)
  t.equal(store.cuts, 3, 'the fourth was still waited for')
  admission.close()
})

t.test('one that is patient finds a store that is merely slow', async (t) => {
  let answer = () => {}
  const { store, admission, fail } = setUp({
    patienceMs: 1_200,
    probe() {
      store.probes++
      return new Promise<void>((resolve) => {
        if (store.probes === 4) answer = resolve
        if (store.probes === 5) answer()
      })
    }
  })
  fail()
  await until(() => store.away.length === 2, 60_000)
  t.equal(store.probes, 5)
  admission.close()
})
