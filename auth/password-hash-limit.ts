import { availableParallelism } from 'node:os'
import { hashPassword } from 'better-auth/crypto'
import type { BetterAuthOptions } from 'better-auth/minimal'
import { type ConcurrencyLimit, createConcurrencyLimit } from '../db/semaphore.ts'
import type { RateLimits } from './rate-limit.ts'
import { rateLimited } from './refusals.ts'
import { verifyStoredHash } from './verify-imported-hash.ts'

type PasswordOptions = NonNullable<NonNullable<BetterAuthOptions['emailAndPassword']>['password']>

/** A hash takes about 55 ms of a core and 32 MiB, so that this many take one or two seconds. */
const maxWaitingPerPermit = 32

/**
 * The semaphore of everything that hashes a password. It leaves one core and one of libuv's four threads to requests that
 * hash none. Where too many wait it rejects with `RATE_LIMITED`. `processes` is how many processes share the cores.
 */
export function createPasswordHashLimit(processes = 1): ConcurrencyLimit {
  const permits = Math.max(1, Math.floor(Math.min(3, availableParallelism() - 1) / processes))
  return createConcurrencyLimit({
    permits,
    maxWaiting: permits * maxWaitingPerPermit,
    refusal: () => rateLimited(2)
  })
}

/**
 * BetterAuth's `emailAndPassword.password`, or the policy file's (`own`), under both limits. BetterAuth's knows
 * imported hashes too.
 */
export function limitHashing(
  limit: ConcurrencyLimit,
  { countPassword }: Pick<RateLimits, 'countPassword'>,
  own: PasswordOptions = {}
): PasswordOptions {
  const { hash = hashPassword, verify = verifyStoredHash } = own
  const counted = async <T>(work: () => Promise<T>) => {
    await countPassword()
    return limit(work)
  }
  return { hash: (password) => counted(() => hash(password)), verify: (given) => counted(() => verify(given)) }
}
