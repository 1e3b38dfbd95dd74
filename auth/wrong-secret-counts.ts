import { createHash } from 'node:crypto'
import { isRecord } from '../db/type-guards.ts'
import { siteOf } from './client-address.ts'
import type { PathLimits } from './path-rate-limits.ts'
import type { Allowance, Counters } from './rate-limit-counters.ts'
import { rateLimited } from './refusals.ts'

const quarterOfAnHour = 15 * 60

/** How many wrong secrets are let pass. */
export const wrongSecretAllowances = {
  /** Wrong secrets for one account from one address, failed sign-ins above all. */
  failedSignInsPerAddress: { points: 10, seconds: quarterOfAnHour },
  /** Wrong secrets for one account from anywhere. */
  failedSignIns: { points: 100, seconds: quarterOfAnHour },
  /** Wrong tokens of one kind, mailed ones above all, from one address. */
  failedTokens: { points: 100, seconds: quarterOfAnHour },
  /** The same from one IPv6 /48. Account names are counted from anywhere; a token has no account. */
  failedTokensPerSite: { points: 1_000, seconds: quarterOfAnHour }
} satisfies Record<string, Allowance>

/**
 * An attempt at a secret from this client address, on the endpoint of this path, with the names of the account that the
 * secret belongs to; a token that belongs to no account has none.
 */
export interface SecretAttempt {
  readonly address: string
  readonly path: string
  readonly names?: readonly string[]
}

interface Count {
  readonly allowance: Allowance
  readonly key: string
}

/** The secrets that one request has tried so far. */
export interface TriedSecrets {
  /** What they were counted under, which is given back where none of them was wrong. */
  readonly counts: Count[]
  /** Whether one of them is a token that belongs to no account. */
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

/** Counts wrong secrets, under the limits of their paths and under those that all paths share. */
export function createWrongSecretCounts(
  allowances: Readonly<Record<keyof typeof wrongSecretAllowances, Allowance>>,
  counters: Counters,
  pathLimits: PathLimits
) {
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
    /** For a request that has tried no secret yet. */
    begin: (): TriedSecrets => ({ counts: [], isToken: false }),

    /**
     * Counts an attempt before its secret is compared: simultaneous guesses could otherwise all pass before the first has
     * failed. Throws `RATE_LIMITED`.
     */
    async count(tried: TriedSecrets, attempt: SecretAttempt): Promise<void> {
      tried.isToken ||= attempt.names === undefined
      for (const count of countsOf(attempt)) {
        const wait = await counters.take(count.allowance, count.key)
        if (wait === null) tried.counts.push(count)
        else {
          // A refused attempt is no failure. `settle` gives back what it was counted under before.
          await giveBack([count])
          throw rateLimited(wait)
        }
      }
    },

    /**
     * Runs the rest of a request. Its attempts stay counted when the response says that the secret was wrong, and are given
     * back when it says anything else or `work` throws. Rejects with what `work` rejects with.
     */
    async settle(tried: TriedSecrets, work: () => Promise<Response>): Promise<Response> {
      let failed = false
      try {
        const response = await work()
        failed = tried.counts.length > 0 && (await saysWrong(response, tried.isToken))
        return response
      } finally {
        if (!failed) await giveBack(tried.counts)
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

/** A key of bounded length that tells nobody's name. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
