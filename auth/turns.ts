/** Runs work when its turn comes. Resolves and rejects as the work does. */
export type Turns = <T>(work: () => Promise<T>) => Promise<T>

/** So many at once, the others wait in the order in which they came. */
export function createTurns(atOnce: number): Turns {
  const waiting: (() => void)[] = []
  let free = atOnce

  return async function takeTurn(work) {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      // Handed on rather than freed: whoever came in between would jump the queue.
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
