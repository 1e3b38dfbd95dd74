import type { Running } from './contenders/contender.ts'
import type { Answers, LoadGenerator } from './load/load.ts'
import { cpuMicroseconds, residentBytes } from './os.ts'
import type { Context } from './sections/section.ts'

/** One slice of load on one contender. */
export interface Slice extends Answers {
  /** CPU of the processes under test per request, in µs; NaN where there are none. */
  readonly cpu: number
  /** Their resident memory afterwards, in bytes; NaN where there are none. */
  readonly resident: number
}

/** Runs a slice of load and reads from the operating system what it cost. */
export async function measureSlice(
  running: Running,
  generator: LoadGenerator,
  connections: number,
  seconds: number
): Promise<Slice> {
  const { load, pids } = running
  let used = 0
  let answers: Answers | undefined
  // A crowded machine can stand still for a second. What never answers is an error all the same.
  for (let attempts = 0; answers === undefined || answers.requests === 0; attempts++) {
    if (attempts === 3) throw new Error(`${load.url} does not answer`)
    const before = cpuMicroseconds(pids)
    answers = await generator.run(load, connections, seconds)
    used = cpuMicroseconds(pids) - before
  }
  const none = pids.length === 0
  return {
    ...answers,
    cpu: none ? Number.NaN : used / answers.requests,
    resident: none ? Number.NaN : residentBytes(pids)
  }
}

/** Asks until compilers have compiled and pools have connected: 20,000 requests or five seconds, less when quick. */
export async function warmUp(
  { load }: Running,
  { generator, quick }: Pick<Context, 'generator' | 'quick'>
): Promise<void> {
  let requests = 0
  for (let i = 0; i < (quick ? 1 : 5) && requests < 20_000; i++) {
    requests += (await generator.run(load, 32, 1)).requests
  }
}

/** Slices by contender, one a round, in the order of the rounds. */
export type Rounds = ReadonlyMap<string, readonly Slice[]>

/**
 * Runs every contender once a round, beginning with another one each time, so that what the machine does meanwhile
 * meets all of them alike.
 */
export async function interleave<T extends { readonly name: string }, R>(
  contenders: readonly T[],
  rounds: number,
  run: (contender: T) => Promise<R>
): Promise<Map<string, R[]>> {
  const results = new Map(contenders.map(({ name }): [string, R[]] => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round) % contenders.length]
      if (contender === undefined) continue
      const result = await run(contender).catch((cause: unknown) => {
        throw new Error(`${contender.name}: ${cause instanceof Error ? cause.message : 'failed'}`, { cause })
      })
      results.get(contender.name)?.push(result)
    }
  }
  return results
}

/** One number of two contenders set against each other, round by round; empty where one of them is missing. */
export function ratios<R>(
  rounds: ReadonlyMap<string, readonly R[]>,
  of: string,
  to: string,
  value: (result: R) => number
): number[] {
  const others = rounds.get(to) ?? []
  return (rounds.get(of) ?? []).flatMap((result, round) => {
    const other = others[round]
    return other === undefined ? [] : [value(result) / value(other)]
  })
}
