import type { Parameters } from 'fast-check'
import type { Test } from 'tap'

const minutes = Number(process.env['FC_MINUTES'] ?? 0)

/** Lets a test, and each that it is part of, take as long as `FC_MINUTES` asks for. */
export function allowTime(...tests: readonly Pick<Test, 'setTimeout'>[]): void {
  for (const test of tests) test.setTimeout((minutes + 2) * 60_000)
}

/**
 * How long and from which seed to run, and the seed printed: `FC_SEED` and `FC_PATH` replay a failure, `FC_RUNS` sets
 * the number of runs, `FC_MINUTES` runs for that long instead.
 */
export function runParameters<T>(t: Test, usualRuns: number): Parameters<T> {
  const seed = Number(process.env['FC_SEED'] ?? Date.now() & 0x7fffffff)
  const path = process.env['FC_PATH']
  const numRuns = Number(process.env['FC_RUNS'] ?? (minutes > 0 ? 1_000_000 : usualRuns))
  t.comment(`FC_SEED=${seed}${path === undefined ? '' : ` FC_PATH=${path}`}`)
  return {
    seed,
    numRuns,
    ...(path === undefined ? {} : { path }),
    // However slow the machine, and however long a failure could be shrunk, a test has its time.
    ...(minutes > 0 ? { interruptAfterTimeLimit: minutes * 60_000 } : { interruptAfterTimeLimit: 45_000 })
  }
}

/** Does the work for every item, `width` at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>
): Promise<void> {
  let next = 0
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) {
      const item = items[i]
      if (item !== undefined) await work(item)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
}
