import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** So many `points` in so many `seconds`, counted from the first. */
export interface Allowance {
  readonly points: number
  readonly seconds: number
}

/** Where attempts are counted. Keys of allowances that say the same share their counters, so they have to differ. */
export interface Counters {
  /** Counts one. Resolves to null, or to the whole seconds until the next try when there were too many. */
  take(allowance: Allowance, key: string): Promise<number | null>
  /** Takes one back. */
  giveBack(allowance: Allowance, key: string): Promise<void>
}

/** Counters in this process's memory: a gateway's own, or those that its primary keeps for all of its workers. */
export function createCounters(): Counters {
  const limiters = new Map<string, RateLimiterMemory>()

  function limiterOf({ points, seconds }: Allowance): RateLimiterMemory {
    const name = `${points}/${seconds}`
    const known = limiters.get(name)
    if (known !== undefined) return known
    const limiter = new RateLimiterMemory({ points, duration: seconds, keyPrefix: '' })
    limiters.set(name, limiter)
    return limiter
  }

  return {
    async take(allowance, key) {
      try {
        await limiterOf(allowance).consume(key)
        return null
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal
        return Math.max(1, Math.ceil(refusal.msBeforeNext / 1000))
      }
    },

    async giveBack(allowance, key) {
      const limiter = limiterOf(allowance)
      const left = await limiter.reward(key)
      // Kept, an emptied counter would hold memory for the rest of its window, and one below zero would be a free try.
      if (left.consumedPoints <= 0) await limiter.delete(key)
    }
  }
}
