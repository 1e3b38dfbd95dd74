import { AsyncLocalStorage } from 'node:async_hooks'

/** Runs work when its turn comes. Resolves and rejects as the work does. */
export type Turns = <T>(work: () => Promise<T>) => Promise<T>

export interface TurnsOptions {
  readonly atOnce: number
  /** How many may wait; one more is turned away with what `refusal` makes. Default: any number. */
  readonly mostWaiting?: number | undefined
  readonly refusal?: (() => Error) | undefined
}

/**
 * So many at once, the others wait in the order in which they came, and who finds too many waiting is turned away. Work
 * inside a turn that asks for a turn of its own goes on in the one it has.
 */
export function createTurns({ atOnce, mostWaiting = Number.POSITIVE_INFINITY, refusal }: TurnsOptions): Turns {
  const waiting: (() => void)[] = []
  const turn = new AsyncLocalStorage<true>()
  let free = atOnce

  return async function takeTurn(work) {
    if (turn.getStore() === true) return work()
    if (free > 0) free -= 1
    else if (waiting.length >= mostWaiting) throw refusal?.() ?? new Error('too many are waiting')
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await turn.run(true, work)
    } finally {
      // Handed on rather than freed: whoever came in between would jump the queue.
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
