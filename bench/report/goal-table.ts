import { type Goal, goals } from '../goals.ts'
import { judge } from '../judge.ts'
import type { Table } from '../sections/section.ts'
import { digits } from './numbers.ts'
import type { Results, SectionResult } from './results.ts'

/** Every goal, what came of it, and how sure that is. With `sections`, only those that these measure. */
export function goalTable(results: Results, sections?: readonly string[]): Table {
  const shown = goals.filter(({ section }) => sections === undefined || sections.includes(section))
  return {
    title: 'Goals',
    columns: ['what', 'goal', 'beyond it', 'median', '95 % interval', 'rounds', 'verdict'],
    rows: shown.map((goal) => rowOf(goal, results))
  }
}

/** The counts that were taken and are over their number, in words. */
export function countsMissed(results: Readonly<Record<string, Pick<SectionResult, 'figures'>>>): string[] {
  return goals
    .filter(({ count, section, figure }) => count === true && results[section]?.figures[figure] !== undefined)
    .map((goal) => ({ goal, ...judge(goal, results[goal.section]?.figures[goal.figure]) }))
    .filter(({ verdict }) => verdict === 'missed' || verdict === 'not measured')
    .map(({ goal, median }) => `${goal.title}: ${median}, and ${goal.goal} at most`)
}

function rowOf(goal: Goal, results: Results): string[] {
  const { median, interval, rounds, verdict } = judge(goal, results[goal.section]?.figures[goal.figure])
  const sign = goal.sense === 'most' ? '≤' : '≥'
  const unit = goal.unit === undefined ? '' : ` ${goal.unit}`
  const limit = (value: number | undefined) => (value === undefined ? '–' : `${sign} ${bound(value)}${unit}`)
  return [
    goal.title,
    limit(goal.goal),
    limit(goal.beyond),
    fine(median),
    rounds > 1 ? `${fine(interval.low)}–${fine(interval.high)}` : '–',
    String(rounds),
    verdict
  ]
}

function bound(value: number): string {
  return value > 0 && value < 0.2 ? `1/${Math.round(1 / value)}` : String(value)
}

function fine(value: number): string {
  return Math.abs(value) < 10 && !Number.isInteger(value) && Number.isFinite(value) ? value.toFixed(3) : digits(value)
}
