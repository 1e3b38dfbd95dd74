import { AsyncLocalStorage } from 'node:async_hooks'
import { networkOf, siteOf } from './client-address.ts'
import { createPathLimits, type PathRateLimits } from './path-rate-limits.ts'
import { type Allowance, type Counters, createCounters } from './rate-limit-counters.ts'
import { rateLimited } from './refusals.ts'
import {
  createWrongSecretCounts,
  digest,
  type SecretAttempt,
  type TriedSecrets,
  wrongSecretAllowances
} from './wrong-secret-counts.ts'

const defaultAllowances = {
  ...wrongSecretAllowances,
  /**
   * Requests from one IPv6 /48 that have a password hashed, whatever their path: whoever has its 65,536 networks would
   * otherwise keep every core busy, three hashes at a time from each.
   */
  passwordsPerSite: { points: 30, seconds: 10 },
  /**
   * Requests of one address to BetterAuth and the built-in pages, whatever their path. BetterAuth counts by path, so that
   * whoever makes up paths would have no limit. A hundred people behind one address may each load ten pages.
   */
  requestsPerAddress: { points: 1_000, seconds: 10 }
} satisfies Record<string, Allowance>

export type RateLimitOptions = Partial<Readonly<Record<keyof typeof defaultAllowances, Allowance>>>

/** One gateway's limits. */
export type RateLimits = ReturnType<typeof createRateLimits>

/** The endpoint that a request has reached, by its path, and the client's address. */
type Endpoint = Pick<SecretAttempt, 'address' | 'path'>

/** What is known of one request so far. */
interface RequestScope {
  readonly tried: TriedSecrets
  /** Which endpoint it has reached, and from where; undefined until a hook of BetterAuth's has told. */
  endpoint?: Endpoint
  /** Whether it was counted among those that have a password hashed. */
  passwordCounted?: true
}

/** `counters`: where attempts are counted, by default in this process alone. `byPath`: the policy file's. */
export function createRateLimits(
  options: RateLimitOptions = {},
  counters: Counters = createCounters(),
  byPath?: PathRateLimits
) {
  const allowances = { ...defaultAllowances, ...options }
  const pathLimits = createPathLimits(byPath)
  const wrongSecrets = createWrongSecretCounts(allowances, counters, pathLimits)
  const scope = new AsyncLocalStorage<RequestScope>()

  return {
    /** BetterAuth's `rateLimit.customStorage`: its own rules (by address and path) counted here. */
    storage: {
      async consume(key: string, rule: { readonly max: number; readonly window: number }) {
        // BetterAuth's keys are an address, a bar and a path.
        const allowance = pathLimits.allowanceOf(key.slice(key.indexOf('|') + 1), rule)
        // The client chooses up to 16 KiB of the path.
        const wait = await counters.take(allowance, key.length > 100 ? digest(key) : key)
        return { allowed: wait === null, retryAfter: wait }
      }
    },

    /**
     * Counts a request of this address before anything of it is read, in one count for all paths, those that do not exist
     * included, or in that of its path below BetterAuth's where the policy file has one. Throws `RATE_LIMITED`.
     */
    async admit(address: string, path?: string): Promise<void> {
      const { allowance, key } = (path !== undefined && pathLimits.admission(path)) || {
        allowance: allowances.requestsPerAddress,
        key: 'all paths'
      }
      const wait = await counters.take(allowance, `${key}|${networkOf(address)}`)
      if (wait !== null) throw rateLimited(wait)
    },

    /**
     * Runs one request. Its attempts stay counted when the response says that the secret was wrong, and are given back
     * when it says anything else or `work` throws. Rejects with what `work` rejects with.
     */
    run(work: () => Promise<Response>): Promise<Response> {
      const tried = wrongSecrets.begin()
      return scope.run({ tried }, () => wrongSecrets.settle(tried, work))
    },

    /** Tells which endpoint the request has reached; `countPassword` then knows where it came from. Outside `run` it does nothing. */
    noteEndpoint(endpoint: Endpoint): void {
      const request = scope.getStore()
      if (request !== undefined) request.endpoint = endpoint
    },

    /**
     * Counts a request that has a password hashed against its IPv6 /48, once. For one that nobody has announced it comes
     * as late as the hashing itself. Throws `RATE_LIMITED`.
     */
    async countPassword(): Promise<void> {
      const request = scope.getStore()
      if (request?.endpoint === undefined || request.passwordCounted) return
      request.passwordCounted = true
      const { address, path } = request.endpoint
      const site = siteOf(address)
      if (site === null) return
      // Ten networks of a site may have as much as the policy file gives one.
      const own = pathLimits.named(path)
      const wait =
        own === undefined
          ? await counters.take(allowances.passwordsPerSite, `passwords|${site}`)
          : await counters.take({ ...own, points: 10 * own.points }, `passwords ${path}|${site}`)
      if (wait !== null) throw rateLimited(wait)
    },

    /**
     * Counts an attempt before its secret is compared: simultaneous guesses could otherwise all pass before the first has
     * failed. Outside `run` it does nothing. Throws `RATE_LIMITED`.
     */
    async countAttempt(attempt: SecretAttempt): Promise<void> {
      const request = scope.getStore()
      if (request !== undefined) await wrongSecrets.count(request.tried, attempt)
    }
  }
}
