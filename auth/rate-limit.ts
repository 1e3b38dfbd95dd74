import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import { getIP } from 'better-auth/api'
import { type Allowance, type Counters, createCounters } from './counters.ts'
import { RateLimitedError } from './errors.ts'
import { addressOptions, clientAddressHeader } from './fetch-bridge.ts'

export interface RateLimitOptions {
  /** Failed sign-ins of one account from one address. Default 10 in 15 minutes. */
  readonly failedSignInsPerAddress?: Allowance | undefined
  /** Failed sign-ins of one account from anywhere. Default 100 in 15 minutes. */
  readonly failedSignIns?: Allowance | undefined
  /** Requests of one address to BetterAuth and the built-in pages, whatever they ask for. Default 1,000 in 10 seconds. */
  readonly requestsPerAddress?: Allowance | undefined
}

/** Who is trying to sign in: the account's names as the body gave them, and the client's address. */
export interface SignInAttempt {
  readonly names: readonly string[]
  readonly address: string
}

/** One gateway's limits. */
export interface RateLimits {
  /** BetterAuth's `rateLimit.customStorage`: its own rules (by address and path) counted here. */
  readonly storage: {
    consume(
      key: string,
      rule: { window: number; max: number }
    ): Promise<{ allowed: boolean; retryAfter: number | null }>
  }
  /**
   * Counts a request of this address before anything of it is read, in one count for all paths, those that do not exist
   * included. Throws {@link RateLimitedError}.
   */
  admit(address: string): Promise<void>
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
  readonly allowance: Allowance
  readonly key: string
}

/** `counters`: where it is counted, by default in this process alone. */
export function createRateLimits(options: RateLimitOptions = {}, counters: Counters = createCounters()): RateLimits {
  const quarter = 15 * 60
  const perAddress = options.failedSignInsPerAddress ?? { points: 10, seconds: quarter }
  const inAll = options.failedSignIns ?? { points: 100, seconds: quarter }
  // A path that BetterAuth does not know has a count of its own there, so that made-up ones were without a limit, as looking
  // up a session and signing out were. An office behind one address may have each of a hundred people load ten pages.
  const requests = options.requestsPerAddress ?? { points: 1_000, seconds: 10 }
  const scope = new AsyncLocalStorage<Held[]>()

  async function giveBack(taken: readonly Held[]): Promise<void> {
    for (const { allowance, key } of taken) await counters.giveBack(allowance, key)
  }

  return {
    storage: {
      async consume(key, { max: points, window: seconds }) {
        // The path is part of the key and the client's to choose, up to 16 KiB of it.
        const wait = await counters.take({ points, seconds }, key.length > 100 ? digest(key) : key)
        return { allowed: wait === null, retryAfter: wait }
      }
    },

    async admit(address) {
      const wait = await counters.take(requests, `all paths|${networkOf(address)}`)
      if (wait !== null) throw new RateLimitedError(wait)
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
          { allowance: perAddress, key: digest(`${address} ${name}`) },
          { allowance: inAll, key: digest(name) }
        ]
        for (const { allowance, key } of wanted) {
          const wait = await counters.take(allowance, key)
          if (wait !== null) {
            // Nothing was tried, so nothing failed: not the refused attempt, and not what it took before.
            await giveBack([{ allowance, key }])
            throw new RateLimitedError(wait)
          }
          held.push({ allowance, key })
        }
      }
    }
  }
}

// As BetterAuth counts: an IPv6 address by its /64, the least that one customer is given.
function networkOf(address: string): string {
  return getIP(new Headers({ [clientAddressHeader]: address }), { advanced: { ipAddress: addressOptions } }) ?? address
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
