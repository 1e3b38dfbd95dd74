import { setTimeout } from 'node:timers/promises'
import type { AuthContext } from 'better-auth'
import { longestMs, readImportedHash } from './imported-hash.ts'

/** Of the hashes that are stored already, so many are looked at to learn how long imported ones take. */
const looksAt = 100
// How the forms that can be read begin.
const beginnings = ['$', 'argon2$', 'bcrypt', 'pbkdf2_', 'scrypt$']

/** Keeps refusals back until a moment that says nothing of the hash that was verified, if any was. */
export function createHold({ adapter }: AuthContext) {
  // How long the imported hashes take that are known of; 0 while none are.
  let longest = 0
  let looked: Promise<void> | undefined
  const learn = (hash: string) => {
    const read = readImportedHash(hash)
    if (!('problem' in read)) longest = Math.max(longest, longestMs(read))
  }

  // Once in a process, because it may read the whole table. A failure leaves what sign-ins teach.
  async function look(): Promise<void> {
    const stored = await adapter.findMany<{ password?: string | null }>({
      model: 'account',
      where: beginnings.map((value) => ({ field: 'password', operator: 'starts_with', value, connector: 'OR' })),
      limit: looksAt
    })
    for (const { password } of stored) if (typeof password === 'string') learn(password)
  }

  return {
    learn,
    /** Resolves a whole number of times the longest verification after `since`, a time of `performance.now()`. */
    async wait(since: number): Promise<void> {
      looked ??= look().catch(() => {})
      await looked
      if (longest === 0) return
      const passed = performance.now() - since
      await setTimeout(longest * Math.ceil(passed / longest) - passed)
    }
  }
}
