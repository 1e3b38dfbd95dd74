import fc from 'fast-check'
import type { Test } from 'tap'

const minutes = Number(process.env['FC_MINUTES'] ?? 0)

/** Lets a test, and each that it is part of, take as long as `FC_MINUTES` asks for. */
export function allowTime(...tests: readonly Pick<Test, 'setTimeout'>[]): void {
  for (const test of tests) test.setTimeout((minutes + 8) * 60_000)
}

/**
 * Promises that `find` finds nothing wrong with whatever `arbitrary` makes. The seed is printed: `FC_SEED` and `FC_PATH`
 * replay a failure, `FC_RUNS` sets the number of runs, `FC_MINUTES` runs for that long instead.
 */
export async function holds<T>(
  t: Test,
  arbitrary: fc.Arbitrary<T>,
  find: (value: T) => Promise<readonly string[]>,
  usualRuns: number
): Promise<void> {
  const seed = Number(process.env['FC_SEED'] ?? Date.now() & 0x7fffffff)
  const path = process.env['FC_PATH']
  let problems: readonly string[] = []
  t.comment(`FC_SEED=${seed}`)
  const property = fc.asyncProperty(arbitrary, async (value) => {
    problems = await find(value)
    return problems.length === 0
  })
  const outcome = await fc.check(property, {
    seed,
    ...(path === undefined ? {} : { path }),
    numRuns: Number(process.env['FC_RUNS'] ?? (minutes > 0 ? 1_000_000 : usualRuns)),
    // A failure says which request it was; shrinking the hundreds around it takes minutes.
    endOnFailure: true,
    // However slow the machine, a test has its time.
    interruptAfterTimeLimit: minutes > 0 ? minutes * 60_000 : 120_000
  })
  const error = outcome.errorInstance instanceof Error ? (outcome.errorInstance.stack ?? '') : ''
  // Not as comments: tap takes some of these texts for its own, and with them the assertion that comes after.
  t.notOk(outcome.failed, `${outcome.numRuns} runs; FC_SEED=${seed} FC_PATH=${outcome.counterexamplePath} ${error}`, {
    problems: problems.slice(0, 5).map((problem) => JSON.stringify(problem))
  })
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
