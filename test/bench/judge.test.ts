import t from 'tap'
import type { Goal } from '../../bench/goals.ts'
import { judge } from '../../bench/judge.ts'
import { countsMissed } from '../../bench/report/goal-table.ts'
import { median, medianInterval, quantile } from '../../bench/statistics.ts'

const most: Goal = { section: 's', figure: 'f', title: 'a ratio', sense: 'most', goal: 1, beyond: 0.8 }
const least: Goal = { ...most, sense: 'least', goal: 1.3, beyond: 1.5 }

t.test(
  'a goal is met or missed when the whole interval is on one side of it, and otherwise not resolved',
  async (t) => {
    t.equal(judge(most, [0.9, 0.91, 0.92, 0.93, 0.94]).verdict, 'met')
    t.equal(judge(most, [0.7, 0.71, 0.72, 0.73, 0.74]).verdict, 'met, and beyond')
    t.equal(judge(most, [1.1, 1.2, 1.3, 1.2, 1.1]).verdict, 'missed')
    t.equal(judge(most, [0.8, 0.9, 1, 1.1, 1.2]).verdict, 'not resolved')
    t.equal(judge(least, [1.4, 1.41, 1.42, 1.43, 1.44]).verdict, 'met')
    t.equal(judge(least, [1.6, 1.6, 1.7, 1.8, 1.6]).verdict, 'met, and beyond')
    t.equal(judge(least, [1.1, 1.2, 1.1, 1.2, 1.1]).verdict, 'missed')
  }
)

t.test('few rounds resolve nothing, a count does', async (t) => {
  t.equal(judge(most, [0.5, 0.5]).verdict, 'not resolved')
  t.equal(judge({ ...most, once: true }, [1]).verdict, 'met')
  t.equal(judge({ ...most, once: true }, [2]).verdict, 'missed')
})

t.test('what was not measured is not judged', async (t) => {
  t.equal(judge(most, undefined).verdict, 'not measured')
  t.equal(judge(most, [Number.NaN, Number.NaN]).verdict, 'not measured')
})

t.test('a count over its number is named, and nothing that a machine may be too slow for', async (t) => {
  const figures = { 'warm-queries': [0], 'miss-queries': [2], 'forged-queries': [0], 'warm-promises': [0] }
  t.same(countsMissed({ counts: { figures }, startup: { figures: { startup: [60] } } }), [
    'queries of a miss on node-postgres: 2, and 1 at most'
  ])
  t.same(
    countsMissed({ counts: { figures: { 'warm-promises': [Number.NaN] } } }).length,
    1,
    'nor one that was not taken'
  )
  t.same(countsMissed({}), [])
})

t.test('the middle, and how sure it is', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  t.equal(quantile([0, 10], 0.25), 2.5)
  const values = Array.from({ length: 20 }, (_, i) => 1 + i / 100)
  const { low, high } = medianInterval(values)
  t.ok(low < median(values) && median(values) < high && high - low < 0.15)
  t.same(medianInterval(values), { low, high }, 'the same figures have the same interval')
})
