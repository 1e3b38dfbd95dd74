import { type Rounds, ratios, type Slice } from '../measure.ts'
import type { Table } from '../sections/section.ts'
import { median } from '../statistics.ts'
import { megabytes, spread } from './numbers.ts'

/** CPU of a slice per request, in µs. */
export const cpuOf = ({ cpu }: Slice): number => cpu

/** Requests of a slice per second. */
export const perSecond = ({ requests, seconds }: Slice): number => requests / seconds

/** The median latency of a slice, in ms. */
export const p50Of = ({ p50 }: Slice): number => p50

/** Slices as a table of medians with their middle halves, CPU set against one contender and requests against another. */
export function sliceTable(
  title: string,
  rounds: Rounds,
  against: { readonly cpu: readonly [string, string]; readonly rate: readonly [string, string] }
): Table {
  const columns = [
    '',
    'CPU µs / request',
    `× ${against.cpu[1]}`,
    'requests / s',
    `× ${against.rate[1]}`,
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'memory MB'
  ]
  const rows = [...rounds].map(([name, slices]) => [
    name,
    spread(slices.map(cpuOf)),
    spread(ratios(rounds, name, against.cpu[0], cpuOf)),
    spread(slices.map(perSecond)),
    spread(ratios(rounds, name, against.rate[0], perSecond)),
    spread(slices.map(p50Of)),
    spread(slices.map(({ p99 }) => p99)),
    spread(slices.map(({ p999 }) => p999)),
    spread([median(slices.map(({ resident }) => resident))], megabytes)
  ])
  return { title, columns, rows }
}

/** The rounds as they are written down. */
export function rawOf(raw: Readonly<Record<string, Rounds>>): unknown {
  return Object.fromEntries(Object.entries(raw).map(([title, rounds]) => [title, Object.fromEntries(rounds)]))
}
