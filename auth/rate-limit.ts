import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { RateLimitedError } from './errors.ts'

/** So many `points` in so many `seconds`, counted from the first. */
export interface Allowance {
  readonly points: number
  readonly seconds: number
}

export interface RateLimitOptions {
  /** Failed sign-ins of one account from one address. Default 10 in 15 minutes. */
  readonly failedSignInsPerAddress?: Allowance | undefined
  /** Failed sign-ins of one account from anywhere. Default 100 in 15 minutes. */
  readonly failedSignIns?: Allowance | undefined
}

/** Who is trying to sign in: the account's names as the body gave them, and the client's address. */
export interface SignInAttempt {
  readonly names: readonly string[]
  readonly address: string
}

/** One gateway's counters: made once, shared by nobody else. */
export interface RateLimits {
  /** BetterAuth's `rateLimit.customStorage`: its own rules (by address and path) counted here. */
  readonly storage: {
    consume(
      key: string,
      rule: { window: number; max: number }
    ): Promise<{ allowed: boolean; retryAfter: number | null }>
  }
  /**
   * Runs one request. A sign-in attempt announced inside stays counted when the response is a 401, and is given back
   * when it is anything else or `work` throws. Rejects with what `work` rejects with.
   */
  run(work: () => Promise<Response>): Promise<Response>
  /**
   * Counts an attempt before its password is hashed: simultaneous guesses could otherwise all pass before the first has
   * failed. Outside `run` it does nothing. Throws {@link RateLimitedError}.
   */
  announce(attempt: SignInAttempt): Promise<void>
}

interface Held {
  readonly limiter: RateLimiterMemory
  readonly key: string
}

export function createRateLimits(options: RateLimitOptions = {}): RateLimits {
  const quarter = 15 * 60
  const perAddress = limiterOf(options.failedSignInsPerAddress ?? { points: 10, seconds: quarter })
  const inAll = limiterOf(options.failedSignIns ?? { points: 100, seconds: quarter })
  const rules = new Map<string, RateLimiterMemory>()
  const scope = new AsyncLocalStorage<Held[]>()

  function limiterOfRule(rule: { window: number; max: number }): RateLimiterMemory {
    const name = `${rule.max}/${rule.window}`
    const known = rules.get(name)
    if (known !== undefined) return known
    const limiter = limiterOf({ points: rule.max, seconds: rule.window })
    rules.set(name, limiter)
    return limiter
  }

  return {
    storage: {
      async consume(key, rule) {
        // The path is part of the key and the client's to choose, up to 16 KiB of it.
        const wait = await take(limiterOfRule(rule), key.length > 100 ? digest(key) : key)
        return { allowed: wait === null, retryAfter: wait }
      }
    },

    run: (work) =>
      scope.run([], async function countFailure() {
        let failed = false
        try {
          const response = await work()
          failed = response.status === 401
          return response
        } finally {
          if (!failed) await giveBack(scope.getStore() ?? [])
        }
      }),

    async announce({ names, address }) {
      const held = scope.getStore()
      if (held === undefined) return
      for (const name of new Set(names.map((given) => given.trim().toLowerCase()))) {
        const wanted: Held[] = [
          { limiter: perAddress, key: digest(`${address} ${name}`) },
          { limiter: inAll, key: digest(name) }
        ]
        for (const { limiter, key } of wanted) {
          const wait = await take(limiter, key)
          if (wait !== null) {
            // Nothing was tried, so nothing failed: not the refused attempt, and not what it took before.
            await giveBack([{ limiter, key }])
            throw new RateLimitedError(wait)
          }
          held.push({ limiter, key })
        }
      }
    }
  }
}

function limiterOf({ points, seconds }: Allowance): RateLimiterMemory {
  return new RateLimiterMemory({ points, duration: seconds, keyPrefix: '' })
}

/** Null: taken. Otherwise the seconds until the next try. */
async function take(limiter: RateLimiterMemory, key: string): Promise<number | null> {
  try {
    await limiter.consume(key)
    return null
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal
    return Math.max(1, Math.ceil(refusal.msBeforeNext / 1000))
  }
}

async function giveBack(taken: readonly Held[]): Promise<void> {
  for (const { limiter, key } of taken) {
    const left = await limiter.reward(key)
    // Kept, an emptied counter would hold memory for the rest of its window, and one below zero would be a free try.
    if (left.consumedPoints <= 0) await limiter.delete(key)
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
