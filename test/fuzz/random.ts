/** A stream of random numbers that the same seed repeats (mulberry32). */
export interface Random {
  /** At least 0, below `limit`. */
  below(limit: number): number
  pick<T>(from: readonly T[]): T
  chance(of: number): boolean
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    below,
    pick(from) {
      const [first] = from
      if (first === undefined) throw new Error('there is nothing to pick from')
      return from[below(from.length)] ?? first
    },
    chance: (of) => next() < of
  }
}
