import { availableParallelism } from 'node:os'
import { hashPassword, verifyPassword } from 'better-auth/crypto'
import type { BetterAuthOptions } from 'better-auth/minimal'
import { type ConcurrencyLimit, createConcurrencyLimit } from '../db/semaphore.ts'
import { rateLimited } from './refusals.ts'

type PasswordOptions = NonNullable<NonNullable<BetterAuthOptions['emailAndPassword']>['password']>

/** A hash takes about 55 ms of a core and 32 MiB, so this many that wait are a second or two. */
const maxWaitingPerPermit = 32

/**
 * The turns of everything that hashes a password: as many at once as leave the requests that are merely passing through
 * a core, and one of libuv's four threads, to themselves. Too many that wait: `RATE_LIMITED`. `processes` share
 * this machine's cores.
 */
export function createPasswordTurns(processes = 1): ConcurrencyLimit {
  const permits = Math.max(1, Math.floor(Math.min(3, availableParallelism() - 1) / processes))
  return createConcurrencyLimit({
    permits,
    maxWaiting: permits * maxWaitingPerPermit,
    refusal: () => rateLimited(2)
  })
}

/** BetterAuth's `emailAndPassword.password` with every hash in its turn; `own` is what the policy file says instead. */
export function hashInTurn(turns: ConcurrencyLimit, own: PasswordOptions = {}): PasswordOptions {
  const { hash = hashPassword, verify = verifyPassword } = own
  return { hash: (password) => turns(() => hash(password)), verify: (given) => turns(() => verify(given)) }
}
