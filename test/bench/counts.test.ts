import t from 'tap'
import { takeCounts } from '../../bench/counting/counts.ts'
import { countHeaderCollections, markName } from '../../bench/counting/header-copies.ts'
import { countPromises } from '../../bench/counting/promises.ts'
import { countSteps } from '../../bench/counting/steps.ts'
import { startPostgres } from '../support/postgres.ts'

t.test('a request costs so much and no more', async (t) => {
  const counts = await takeCounts(t, await startPostgres(t))
  t.comment(JSON.stringify(counts))
  t.equal(counts.queriesWarm, 0, 'a session that was read a moment ago asks the database nothing')
  t.equal(counts.queriesMiss, 1, 'one that was not, asks it once')
  t.equal(counts.queriesForged, 0, 'a cookie that nobody signed asks it nothing')
  t.ok(counts.promisesWarm <= 0, `promises per warm request: ${counts.promisesWarm}`)
  t.ok(counts.headerCollectionsWarm <= 2, `header collections per warm request: ${counts.headerCollectionsWarm}`)
  t.ok(counts.stepsWarm > 100, `blocks per warm request: ${counts.stepsWarm}`)
  // What goes on by the way differs a little; a look at each of 500 streams would be 500 more.
  t.ok(counts.stepsAmongStreams <= counts.stepsWarm + 20, `and among open streams: ${counts.stepsAmongStreams}`)
})

t.test('a promise is counted', async (t) => {
  const counter = countPromises()
  await Promise.resolve()
  counter.stop()
  t.ok(counter.count >= 1)
})

t.test('a copy of headers is counted, however it is made', async (t) => {
  const list = [markName, 'yes', 'Accept', '*/*']
  const copies = [() => list.slice(), () => list.filter(() => true), () => [...list], () => list.concat(['a', 'b'])]
  const counter = countHeaderCollections()
  for (const copy of copies) copy()
  counter.stop()
  // And the list itself, which no parser handed over.
  t.equal(counter.count, copies.length + 1)
})

t.test('a step of a loop is counted', async (t) => {
  const { ConnectionPool } = await import('../../proxy/upstream/connection-pool.ts')
  const { upstreamAddress } = await import('../../proxy/upstream/connector.ts')
  const counter = countSteps()
  const pool = new ConnectionPool(upstreamAddress({ url: 'http://127.0.0.1:9' }), { most: 1, timeoutMs: 1_000 })
  const before = counter.count
  t.ok(before > 0)
  await pool.destroy()
  t.ok(counter.count > before)
  counter.stop()
})
