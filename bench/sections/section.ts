import type { Cleanup } from '../cleanup.ts'
import type { LoadGenerator } from '../load/load.ts'

/** A table as it is printed: a first column of names, then figures. */
export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** What a goal is held against: one number a round, by the goal's name. */
export type Figures = Readonly<Record<string, readonly number[]>>

/** What a section found out. */
export interface Findings {
  readonly tables: readonly Table[]
  readonly figures: Figures
  /** What could not be measured and why, in sentences. */
  readonly leftOut: readonly string[]
  /** What the tables are drawn from, round by round. */
  readonly raw: unknown
  /** For the chart: CPU per request in µs, by contender. */
  readonly chart?: Readonly<Record<string, readonly number[]>>
}

/** What a section is given. */
export interface Context {
  readonly cleanup: Cleanup
  readonly generator: LoadGenerator
  /** Few rounds and short slices: to see that everything works. */
  readonly quick: boolean
  /** Tells whoever watches what is going on. */
  readonly say: (text: string) => void
}

/** A part of the benchmark that can be run by its name. */
export interface Section {
  readonly name: string
  readonly title: string
  run(context: Context): Promise<Findings>
}
