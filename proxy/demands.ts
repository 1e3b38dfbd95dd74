import type { Identity } from '../auth/identity.ts'
import { EmailUnverifiedError, RoleRequiredError, SessionNotFreshError } from './errors.ts'

/** What a rule with access `session` may ask for beyond a session. */
export interface Demands {
  /** The user has at least one of these. Needs BetterAuth's admin plugin. */
  readonly roles?: readonly string[]
  /** The user's email address is verified. */
  readonly verified?: true
  /** The session began less than this many seconds ago; its refreshes do not count. */
  readonly freshWithin?: number
}

/** Why this identity does not get through; undefined when it does. */
export type DemandCheck = (identity: Identity) => Error | undefined

/** The check of these demands, on a clock in ms since the epoch; undefined where nothing is asked for. */
export function demandCheck({ roles, verified, freshWithin }: Demands, now: () => number): DemandCheck | undefined {
  const checks: DemandCheck[] = []
  if (roles !== undefined) {
    const admitted = new Set(roles)
    checks.push((identity) => (identity.roles.some((role) => admitted.has(role)) ? undefined : new RoleRequiredError()))
  }
  if (verified === true) checks.push((identity) => (identity.emailVerified ? undefined : new EmailUnverifiedError()))
  if (freshWithin !== undefined) {
    const freshMs = freshWithin * 1_000
    // BetterAuth's rule for its own `freshAge`, turned around: a time that is none must not be fresh.
    checks.push(({ signedInAt }) => (now() - signedInAt < freshMs ? undefined : new SessionNotFreshError()))
  }
  if (checks.length === 0) return undefined
  return function checkDemands(identity) {
    for (const check of checks) {
      const refusal = check(identity)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }
}

/** The demands in words, such as `role admin or editor`; the same for the same demands, whatever their order. */
export function demandsInWords({ roles, verified, freshWithin }: Demands): string[] {
  const words: string[] = []
  if (roles !== undefined) words.push(`role ${[...new Set(roles)].sort().join(' or ')}`)
  if (verified === true) words.push('verified email')
  if (freshWithin !== undefined) words.push(`signed in within ${freshWithin} s`)
  return words
}
