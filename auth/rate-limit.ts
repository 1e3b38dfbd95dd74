import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import { networkOf } from './client-address.ts'
import { RateLimitedError } from './errors.ts'
import { type Allowance, type Counters, createCounters } from './rate-limit-counters.ts'

export interface RateLimitOptions {
  /** Wrong secrets for one account from one address, failed sign-ins above all. Default 10 in 15 minutes. */
  readonly failedSignInsPerAddress?: Allowance | undefined
  /** Wrong secrets for one account from anywhere. Default 100 in 15 minutes. */
  readonly failedSignIns?: Allowance | undefined
  /** Wrong tokens of one kind, mailed ones above all, from one address. Default 100 in 15 minutes. */
  readonly failedTokens?: Allowance | undefined
  /** Requests of one address to BetterAuth and the built-in pages, whatever they ask for. Default 1,000 in 10 seconds. */
  readonly requestsPerAddress?: Allowance | undefined
}

/** Who tries a secret: the names of the account that it belongs to, and the client's address. */
export interface SecretAttempt {
  readonly names: readonly string[]
  readonly address: string
}

/** Who tries a secret that names no account: the path that judges it, and the client's address. */
export interface TokenAttempt {
  readonly path: string
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
   * Runs one request. An attempt announced inside stays counted when the response says that the secret was wrong, and is
   * given back when it says anything else or `work` throws. Rejects with what `work` rejects with.
   */
  run(work: () => Promise<Response>): Promise<Response>
  /**
   * Counts an attempt before its secret is looked at: simultaneous guesses could otherwise all pass before the first has
   * failed. Outside `run` it does nothing. Throws {@link RateLimitedError}.
   */
  announce(attempt: SecretAttempt): Promise<void>
  /** The same for a secret that names no account. Throws {@link RateLimitedError}. */
  announceToken(attempt: TokenAttempt): Promise<void>
}

interface Held {
  readonly allowance: Allowance
  readonly key: string
}

interface Scope {
  readonly held: Held[]
  /** Whether what is tried names no account. */
  token: boolean
}

// What BetterAuth and its plugins say, with a status other than 401, to a secret that is wrong, used up or too old.
const wrong = new Set([
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
// Of tokens everything is wrong but this: a device that polls, and what is refused before the token is looked at.
const harmless = new Set([
  'ACCESS_DENIED',
  'AUTHORIZATION_PENDING',
  'SLOW_DOWN',
  'PASSWORD_TOO_LONG',
  'PASSWORD_TOO_SHORT',
  'VALIDATION_ERROR'
])

/** `counters`: where it is counted, by default in this process alone. */
export function createRateLimits(options: RateLimitOptions = {}, counters: Counters = createCounters()): RateLimits {
  const quarter = 15 * 60
  const perAddress = options.failedSignInsPerAddress ?? { points: 10, seconds: quarter }
  const inAll = options.failedSignIns ?? { points: 100, seconds: quarter }
  // A path that BetterAuth does not know has a count of its own there, so that made-up ones were without a limit, as looking
  // up a session and signing out were. An office behind one address may have each of a hundred people load ten pages.
  const requests = options.requestsPerAddress ?? { points: 1_000, seconds: 10 }
  const ofTokens = options.failedTokens ?? { points: 100, seconds: quarter }
  const scope = new AsyncLocalStorage<Scope>()

  async function giveBack(taken: readonly Held[]): Promise<void> {
    for (const { allowance, key } of taken) await counters.giveBack(allowance, key)
  }

  async function hold({ held }: Scope, wanted: Held): Promise<void> {
    const wait = await counters.take(wanted.allowance, wanted.key)
    if (wait === null) {
      held.push(wanted)
      return
    }
    // Nothing was tried, so nothing failed: not the refused attempt, and not what it took before.
    await giveBack([wanted])
    throw new RateLimitedError(wait)
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
      scope.run({ held: [], token: false }, async function countFailure() {
        const { held } = scope.getStore() ?? { held: [] }
        let failed = false
        try {
          const response = await work()
          failed = held.length > 0 && (await saysWrong(response, scope.getStore()?.token === true))
          return response
        } finally {
          if (!failed) await giveBack(held)
        }
      }),

    async announce({ names, address }) {
      const attempt = scope.getStore()
      if (attempt === undefined) return
      for (const name of new Set(names.map((given) => given.trim().toLowerCase()))) {
        const wanted: Held[] = [
          { allowance: perAddress, key: digest(`${address} ${name}`) },
          { allowance: inAll, key: digest(name) }
        ]
        for (const one of wanted) await hold(attempt, one)
      }
    },

    async announceToken({ path, address }) {
      const attempt = scope.getStore()
      if (attempt === undefined) return
      attempt.token = true
      await hold(attempt, { allowance: ofTokens, key: digest(`token ${address} ${path}`) })
    }
  }
}

/** Whether a response says that a secret was wrong. Leaves its body to be read. */
async function saysWrong(response: Response, token: boolean): Promise<boolean> {
  const { status } = response
  if (status === 401) return true
  if (status >= 300 && status < 400) {
    const location = response.headers.get('location') ?? ''
    const error = URL.canParse(location, 'http://localhost')
      ? new URL(location, 'http://localhost').searchParams.get('error')
      : null
    return error !== null && (token || wrong.has(error.toUpperCase()))
  }
  if (status < 400 || status >= 500 || status === 429) return false
  const code = await codeOf(response)
  return token ? !harmless.has(code) : wrong.has(code)
}

// OAuth's errors are called `error`.
async function codeOf(response: Response): Promise<string> {
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => null)
  if (typeof body !== 'object' || body === null) return ''
  const code: unknown = 'code' in body ? body.code : 'error' in body ? body.error : undefined
  return typeof code === 'string' ? code.toUpperCase() : ''
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
