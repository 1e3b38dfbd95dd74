import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import { isRecord } from '../db/type-guards.ts'
import { networkOf, siteOf } from './client-address.ts'
import { createPathLimits, type PathRateLimits } from './path-rate-limits.ts'
import { type Allowance, type Counters, createCounters } from './rate-limit-counters.ts'
import { rateLimited } from './refusals.ts'

const quarterOfAnHour = 15 * 60

const defaultAllowances = {
  /** Wrong secrets for one account from one address, failed sign-ins above all. */
  failedSignInsPerAddress: { points: 10, seconds: quarterOfAnHour },
  /** Wrong secrets for one account from anywhere. */
  failedSignIns: { points: 100, seconds: quarterOfAnHour },
  /** Wrong tokens of one kind, mailed ones above all, from one address. */
  failedTokens: { points: 100, seconds: quarterOfAnHour },
  /** The same from one IPv6 /48. Account names are counted from anywhere; a token has no account. */
  failedTokensPerSite: { points: 1_000, seconds: quarterOfAnHour },
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

/**
 * An attempt at a secret from this client address, on the endpoint of this path, with the names of the account that the
 * secret belongs to; a token that belongs to no account has none.
 */
export interface SecretAttempt {
  readonly address: string
  readonly path: string
  readonly names?: readonly string[]
}

/** One gateway's limits. */
export type RateLimits = ReturnType<typeof createRateLimits>

/** The endpoint that a request has reached, by its path, and the client's address. */
type Endpoint = Pick<SecretAttempt, 'address' | 'path'>

interface Count {
  readonly allowance: Allowance
  readonly key: string
}

/** What one request has been counted under so far. */
interface RequestScope {
  /** Failures, which are given back where there was none. */
  readonly counted: Count[]
  /** Which endpoint it has reached, and from where; undefined until a hook of BetterAuth's has told. */
  endpoint?: Endpoint
  /** Whether it was counted among those that have a password hashed. */
  passwordCounted?: true
  /** Whether its secret is a token that belongs to no account. */
  isToken: boolean
}

// What BetterAuth and its plugins say, with a status other than 401, to a secret that is wrong, used up or expired.
const wrongSecretCodes = new Set([
  'EXPIRED_TOKEN',
  'INVALID_BACKUP_CODE',
  'INVALID_CODE',
  'INVALID_OTP',
  'INVALID_PASSWORD',
  'INVALID_REQUEST',
  'INVALID_TOKEN',
  'OTP_EXPIRED',
  'OTP_HAS_EXPIRED',
  'OTP_NOT_FOUND',
  'TOKEN_EXPIRED',
  'TOO_MANY_ATTEMPTS',
  'TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE'
])
// Every error about a token means a wrong one but these: a device that polls, input that is refused before the token is
// compared, and a right one that came too late.
const harmlessTokenCodes = new Set([
  'ACCESS_DENIED',
  'ACCOUNT_CHANGED',
  'AUTHORIZATION_PENDING',
  'SLOW_DOWN',
  'PASSWORD_TOO_LONG',
  'PASSWORD_TOO_SHORT',
  'VALIDATION_ERROR'
])

/** `counters`: where attempts are counted, by default in this process alone. `byPath`: the policy file's. */
export function createRateLimits(
  options: RateLimitOptions = {},
  counters: Counters = createCounters(),
  byPath?: PathRateLimits
) {
  const allowances = { ...defaultAllowances, ...options }
  const pathLimits = createPathLimits(byPath)
  const scope = new AsyncLocalStorage<RequestScope>()

  async function giveBack(counts: readonly Count[]): Promise<void> {
    for (const { allowance, key } of counts) await counters.giveBack(allowance, key)
  }

  function countsOf(attempt: SecretAttempt): Count[] {
    const { address, path } = attempt
    const site = siteOf(address)
    if (attempt.names === undefined)
      return [
        ...countsOnPath(path, { perAddress: `token ${address} ${path}` }),
        { allowance: allowances.failedTokens, key: digest(`token ${address} ${path}`) },
        ...(site === null ? [] : [{ allowance: allowances.failedTokensPerSite, key: digest(`token ${site} ${path}`) }])
      ]
    const names = new Set(attempt.names.map((name) => name.trim().toLowerCase()))
    return [...names].flatMap((name) => [
      ...countsOnPath(path, { perAddress: `${address} ${name}`, inAll: name }),
      { allowance: allowances.failedSignInsPerAddress, key: digest(`${address} ${name}`) },
      { allowance: allowances.failedSignIns, key: digest(name) }
    ])
  }

  // Beside those that all paths share: a path with a count of its own must not give an account further attempts.
  function countsOnPath(path: string, subjects: Readonly<Record<string, string>>): Count[] {
    const own = pathLimits.failuresOn(path)
    if (own === undefined) return []
    const { pattern, perAddress, inAll } = own
    return Object.entries({ perAddress, inAll }).flatMap(([kind, points]) => {
      const subject = subjects[kind]
      if (points === undefined || subject === undefined) return []
      return [{ allowance: { points, seconds: quarterOfAnHour }, key: digest(`${pattern} ${kind} ${subject}`) }]
    })
  }

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
      const request: RequestScope = { counted: [], isToken: false }
      return scope.run(request, async function countFailure() {
        let failed = false
        try {
          const response = await work()
          failed = request.counted.length > 0 && (await saysWrong(response, request.isToken))
          return response
        } finally {
          if (!failed) await giveBack(request.counted)
        }
      })
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
      if (request === undefined) return
      request.isToken ||= attempt.names === undefined
      for (const count of countsOf(attempt)) {
        const wait = await counters.take(count.allowance, count.key)
        if (wait === null) request.counted.push(count)
        else {
          // A refused attempt is no failure. `run` gives back what it was counted under before.
          await giveBack([count])
          throw rateLimited(wait)
        }
      }
    }
  }
}

/** Whether a response says that a secret was wrong. Leaves its body to be read. */
async function saysWrong(response: Response, isToken: boolean): Promise<boolean> {
  const { status } = response
  if (status === 401) return true
  if (status >= 300 && status < 400) {
    const error = URL.parse(response.headers.get('location') ?? '', 'http://localhost')?.searchParams.get('error')
    return error != null && (isToken || wrongSecretCodes.has(error.toUpperCase()))
  }
  if (status < 400 || status >= 500 || status === 429) return false
  const code = await errorCodeIn(response)
  return isToken ? !harmlessTokenCodes.has(code) : wrongSecretCodes.has(code)
}

// OAuth's errors are called `error`.
async function errorCodeIn(response: Response): Promise<string> {
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => null)
  if (!isRecord(body)) return ''
  const code = 'code' in body ? body['code'] : body['error']
  return typeof code === 'string' ? code.toUpperCase() : ''
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
