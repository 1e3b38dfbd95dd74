import { Refusal } from '../auth/refusals.ts'
import type { Identity } from '../auth/session-verdict.ts'

/** What a rule with access `session` may require beyond a session. */
export interface Requirements {
  /** The user has at least one of these. Needs BetterAuth's admin plugin. */
  readonly roles?: readonly string[]
  /** The user's email address is verified. */
  readonly verified?: true
  /** The session began less than this many seconds ago; its refreshes do not count. */
  readonly freshWithin?: number
}

/** Why this identity does not get through; undefined when it does. */
export type RequirementCheck = (identity: Identity) => Refusal | undefined

/** The check of these requirements, on a clock in ms since the epoch; undefined where there are none. */
export function requirementCheck(
  { roles, verified, freshWithin }: Requirements,
  now: () => number
): RequirementCheck | undefined {
  if (roles === undefined && verified !== true && freshWithin === undefined) return undefined
  return function checkRequirements({ roles: held, emailVerified, signedInAt }) {
    if (roles !== undefined && !held.some((role) => roles.includes(role))) return new Refusal('ROLE_REQUIRED')
    if (verified === true && !emailVerified) return new Refusal('EMAIL_UNVERIFIED')
    // Not `>=`: a time that is not a number must not count as fresh, as it would under BetterAuth's rule for `freshAge`.
    const isFresh = freshWithin === undefined || now() - signedInAt < freshWithin * 1_000
    return isFresh ? undefined : new Refusal('SESSION_NOT_FRESH')
  }
}

/** The requirements in words, such as `role admin or editor`; the same words for the same requirements in any order. */
export function requirementsInWords({ roles, verified, freshWithin }: Requirements): string[] {
  const words: string[] = []
  if (roles !== undefined) words.push(`role ${[...new Set(roles)].sort().join(' or ')}`)
  if (verified === true) words.push('verified email')
  if (freshWithin !== undefined) words.push(`signed in within ${freshWithin} s`)
  return words
}
