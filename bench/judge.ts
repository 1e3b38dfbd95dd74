import type { Goal } from './goals.ts'
import { type Interval, median, medianInterval } from './statistics.ts'

/** What the rounds say about a goal. */
export interface Judgement {
  readonly median: number
  /** Of the median, 95 %. */
  readonly interval: Interval
  readonly rounds: number
  readonly verdict: 'met, and beyond' | 'met' | 'missed' | 'not resolved' | 'not measured' | 'no goal'
}

// With fewer rounds the interval is narrower than what is known.
const fewest = 5

/**
 * Holds a goal against one number a round. It is met or missed when the whole interval is on one side of it; fewer than
 * five rounds resolve nothing.
 */
export function judge({ sense, goal, beyond, once }: Goal, figures: readonly number[] | undefined): Judgement {
  const values = figures?.filter(Number.isFinite) ?? []
  const interval = medianInterval(values)
  const result = { median: median(values), interval, rounds: values.length }
  if (values.length === 0) return { ...result, verdict: 'not measured' }
  if (goal === undefined || beyond === undefined) return { ...result, verdict: 'no goal' }
  if (values.length < fewest && once === undefined) return { ...result, verdict: 'not resolved' }
  const { low, high } = interval
  const holds = (bound: number) => (sense === 'most' ? high <= bound : low >= bound)
  const fails = sense === 'most' ? low > goal : high < goal
  if (fails) return { ...result, verdict: 'missed' }
  if (!holds(goal)) return { ...result, verdict: 'not resolved' }
  return { ...result, verdict: holds(beyond) ? 'met, and beyond' : 'met' }
}
