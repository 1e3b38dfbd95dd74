import { isRecord } from '../db/type-guards.ts'
import { isPathBelow } from './body-limits.ts'
import { defaultOwnPaths } from './own-paths.ts'
import type { AuthExtension } from './policy-auth-options.ts'
import type { Allowance } from './rate-limit-counters.ts'
import { accountOf, secretEndpoints } from './secret-endpoints.ts'

/** Limits of one path below BetterAuth's, or of all paths below one. */
export interface PathRateLimit {
  /** How many requests one address may make in `window` seconds; both or neither. */
  readonly requests?: number
  readonly window?: number
  /** How many wrong secrets an account may have there in a quarter of an hour: from one address, and in all. */
  readonly failures?: { readonly perAddress?: number; readonly inAll?: number }
}

/** Limits by path below BetterAuth's; a final `/*` stands for all paths below one, which then have one count together. */
export type RateLimitsByPath = Readonly<Record<string, PathRateLimit>>

const mostRequests = 1_000_000
const longestWindow = 86_400
/** What an address may have at most where secrets are guessed, accounts are made or mails are sent: 100 in 10 s. */
const guarded = { requests: 100, perSecond: 10 }
/** What BetterAuth allows an address on every path of which nobody says anything: as many. */
const generalPerSecond = 10
const mostFailures = { perAddress: 10, inAll: 100 }

// BetterAuth limits these more strictly than the others, plugins' paths among them: they hash a password, make an account
// or send a mail.
const guardedPrefixes = ['/sign-in', '/sign-up', '/change-password', '/change-email', '/forget-password']
const guardedPaths = [
  ...Object.keys(secretEndpoints),
  '/request-password-reset',
  '/send-verification-email',
  '/email-otp/send-verification-otp',
  '/email-otp/request-password-reset'
]

/** What is wrong with `rateLimits` of the policy file, one sentence each; nothing when it is a {@link RateLimitsByPath}. */
export function rateLimitProblems(rateLimits: unknown, basePath: string = defaultOwnPaths.betterAuth): string[] {
  if (!isRecord(rateLimits)) return [`rateLimits: must be an object of paths below ${basePath} and their limits`]
  return Object.entries(rateLimits).flatMap(([path, limit]) => {
    const place = placeOf(path)
    if (!isPathBelow(basePath, path))
      return [`${place}: must be a path below ${basePath}, such as ${basePath}/stripe/webhook or ${basePath}/stripe/*`]
    if (!isRecord(limit)) return [`${place}: must be an object with requests and window, failures, or all of them`]
    const problems = Object.keys(limit)
      .filter((key) => !['requests', 'window', 'failures'].includes(key))
      .map((key) => `${place}.${key}: is not known in this version`)
    problems.push(...requestProblems(place, limit, isGuarded(path.slice(basePath.length))))
    problems.push(...failureProblems(place, limit['failures']))
    return problems
  })
}

/** The same for what only the plugins of the policy file tell: the paths that they limit more strictly themselves. */
export function pluginRateLimitProblems(
  rateLimits: RateLimitsByPath,
  { plugins = [], basePath = defaultOwnPaths.betterAuth }: Pick<AuthExtension, 'plugins' | 'basePath'>
): string[] {
  return Object.entries(rateLimits).flatMap(([path, limit]) => {
    const own = path.slice(basePath.length)
    if (isGuarded(own) || !isAbove(limit)) return []
    const paths = [
      own,
      ...plugins.flatMap(({ endpoints = {} }) => Object.values(endpoints).map((one) => one.path ?? ''))
    ]
    const strict = plugins.flatMap(({ rateLimit = [] }) => rateLimit.filter((rule) => isStrict(rule)))
    const covered = paths.filter((one) => covers(own, one))
    return strict.some(({ pathMatcher }) => covered.some((one) => pathMatcher(one))) ? [tooMany(placeOf(path))] : []
  })
}

function requestProblems(place: string, limit: Readonly<Record<string, unknown>>, isGuardedPath: boolean): string[] {
  const { requests, window, failures } = limit
  if (requests === undefined && window === undefined)
    return failures === undefined
      ? [`${place}: says nothing: give it requests and window, failures, or all of them`]
      : []
  const problems: string[] = []
  if (!isWhole(requests, mostRequests))
    problems.push(`${place}.requests: must be a whole number from 1 to ${mostRequests}; window is given as well`)
  if (!isWhole(window, longestWindow))
    problems.push(
      `${place}.window: must be a whole number of seconds from 1 to ${longestWindow}; requests are given as well`
    )
  return problems.length === 0 && isGuardedPath && isAbove(limit) ? [tooMany(place)] : problems
}

function failureProblems(place: string, failures: unknown): string[] {
  if (failures === undefined) return []
  const named = `${place}.failures`
  if (!isRecord(failures) || Object.keys(failures).length === 0)
    return [`${named}: must be an object with perAddress, inAll or both`]
  return Object.entries(failures).flatMap(([key, value]) => {
    if (key !== 'perAddress' && key !== 'inAll') return [`${named}.${key}: is not known in this version`]
    const most = mostFailures[key]
    return isWhole(value, most)
      ? []
      : [`${named}.${key}: must be a whole number from 1 to ${most}, which is what holds without it`]
  })
}

function tooMany(place: string): string {
  return `${place}: is or covers a path where secrets can be guessed, accounts made or mails sent: at most ${guarded.requests} requests, and no more than ${guarded.perSecond} a second`
}

function isAbove({ requests, window }: { readonly requests?: unknown; readonly window?: unknown }): boolean {
  return Number(requests) > guarded.requests || Number(requests) > guarded.perSecond * Number(window)
}

function isWhole(value: unknown, most: number): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most
}

function placeOf(path: string): string {
  return `rateLimits[${JSON.stringify(path)}]`
}

/** BetterAuth's own words for an allowance. */
interface Rule {
  readonly max: number
  readonly window: number
}

function isStrict({ max, window }: Rule): boolean {
  return max < generalPerSecond * window
}

// A pattern is a path below BetterAuth's, or all that is below one.
function isGuarded(pattern: string): boolean {
  if (guardedPaths.some((path) => covers(pattern, path)) || accountOf(pattern) !== undefined) return true
  const base = pattern.endsWith('/*') ? pattern.slice(0, -1) : undefined
  return guardedPrefixes.some((prefix) => pattern.startsWith(prefix) || (base !== undefined && prefix.startsWith(base)))
}

/** Whether a pattern covers an endpoint's path, which may have parameters. */
function covers(pattern: string, endpoint: string): boolean {
  if (pattern.endsWith('/*')) return endpoint.startsWith(pattern.slice(0, -1))
  const [segments, wanted] = [pattern.split('/'), endpoint.split('/')]
  return segments.length === wanted.length && wanted.every((one, i) => one.startsWith(':') || one === segments[i])
}

interface Entry {
  readonly pattern: string
  readonly own: Allowance | undefined
  readonly failures: NonNullable<PathRateLimit['failures']>
}

/** How requests to one path are counted beyond what holds for all paths. */
export type PathLimits = ReturnType<typeof createPathLimits>

/** `rateLimits` of the policy file, and the path that BetterAuth is below. */
export interface PathRateLimits {
  readonly byPath?: RateLimitsByPath | undefined
  readonly basePath?: string | undefined
}

/** Finds the limits of a path, which is given without BetterAuth's base path. */
export function createPathLimits({ byPath = {}, basePath = defaultOwnPaths.betterAuth }: PathRateLimits = {}) {
  const entries = Object.entries(byPath).map(([path, { requests, window, failures = {} }]): Entry => {
    const pattern = path.slice(basePath.length)
    const own = requests === undefined || window === undefined ? undefined : { points: requests, seconds: window }
    return { pattern, own, failures }
  })
  const literal = new Map(entries.map((entry) => [entry.pattern, entry]))
  const wild = entries
    .filter(({ pattern }) => pattern.endsWith('/*'))
    .sort((a, b) => b.pattern.length - a.pattern.length)
  const find = (path: string) => literal.get(path) ?? wild.find(({ pattern }) => covers(pattern, path))

  return {
    /**
     * What a request is counted under before anything of it is read, instead of the one count for all paths: so a webhook
     * can have more requests than everything else together. Undefined for a path without a limit of its own, and for one
     * that BetterAuth guards, which stays in the count for all.
     */
    admission(path: string): { readonly allowance: Allowance; readonly key: string } | undefined {
      const entry = find(path)
      return entry?.own === undefined || isGuarded(path) ? undefined : { allowance: entry.own, key: entry.pattern }
    },

    /**
     * The allowance of one address on a path for which BetterAuth and its plugins would have `rule`. On a path that they
     * guard, only an entry that names it can raise theirs, to what is allowed at most; one for many paths can lower it.
     */
    allowanceOf(path: string, rule: Rule): Allowance {
      const current = { points: rule.max, seconds: rule.window }
      const entry = find(path)
      const own = entry?.own
      if (entry === undefined || own === undefined) return current
      if (!isStrict(rule) && !isGuarded(path)) return own
      if (entry.pattern.endsWith('/*')) return isStricter(own, current) ? own : current
      return isAbove({ requests: own.points, window: own.seconds }) ? current : own
    },

    /** What an entry that names this path allows one address; undefined where none does. */
    named(path: string): Allowance | undefined {
      return literal.get(path)?.own
    },

    /** How many wrong secrets are allowed on an endpoint's path, and under what name they are counted. */
    failuresOn(path: string): (Entry['failures'] & { readonly pattern: string }) | undefined {
      const entry = find(path)
      return entry === undefined ? undefined : { ...entry.failures, pattern: entry.pattern }
    }
  }
}

function isStricter(one: Allowance, other: Allowance): boolean {
  return one.points <= other.points && one.points * other.seconds <= other.points * one.seconds
}
