import { RateLimiterMemory } from 'rate-limiter-flexible'

/** So many `points` in so many `seconds`, counted from the first. */
export interface Allowance {
  readonly points: number
  readonly seconds: number
}

/** Where attempts are counted, under a key for each allowance. Equal allowances share their counters. */
export interface Counters {
  /** Counts one. Resolves to null, or to the whole seconds until the next try when there were too many. */
  take(allowance: Allowance, key: string): Promise<number | null>
  /** Takes one back. */
  giveBack(allowance: Allowance, key: string): Promise<void>
}

/** Counters in this process's memory: a gateway's own, or those that a primary keeps for all of its workers. */
export function createCounters(): Counters {
  // The limiter refuses nothing itself, because its `points` would be the same for all allowances.
  const limiter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, keyPrefix: '' })
  const nameOf = ({ points, seconds }: Allowance, key: string) => `${points}/${seconds} ${key}`

  return {
    async take(allowance, key) {
      const options = { customDuration: allowance.seconds }
      const { consumedPoints, msBeforeNext } = await limiter.consume(nameOf(allowance, key), 1, options)
      return consumedPoints <= allowance.points ? null : Math.max(1, Math.ceil(msBeforeNext / 1000))
    },

    async giveBack(allowance, key) {
      const name = nameOf(allowance, key)
      const { consumedPoints } = await limiter.reward(name, 1, { customDuration: allowance.seconds })
      // A counter at zero would hold memory for the rest of its window, and one below zero would be a free try.
      if (consumedPoints <= 0) await limiter.delete(name)
    }
  }
}
