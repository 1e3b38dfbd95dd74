import { setTimeout } from 'node:timers/promises'
import type { AuthContext } from 'better-auth'
import type { ConcurrencyLimit } from '../db/semaphore.ts'
import { isOwnHash, longestMs, readImportedHash } from './imported-hash.ts'
import { currentSignIn } from './user-enumeration.ts'

/** Of the hashes that are stored already, so many are looked at to learn how long imported ones take. */
const looksAt = 100
// How the forms that can be read begin.
const beginnings = ['$', 'argon2$', 'bcrypt', 'pbkdf2_', 'scrypt$']

/**
 * Has BetterAuth sign people in by hashes that were imported. Once such a hash was verified at a sign-in, BetterAuth's own
 * takes its place, unless the stored one is another by now. Refused sign-ins all take as long as those at imported hashes,
 * because otherwise their duration would tell whose account was imported.
 */
export function acceptImportedHashes(context: AuthContext, limit: ConcurrencyLimit): void {
  const { adapter, internalAdapter, password } = context
  const { hash, verify } = password
  const hold = createHold(context)

  const note = (account: { id: string; providerId: string; password?: string | null | undefined } | null) => {
    const signIn = currentSignIn()
    if (signIn === undefined || account?.providerId !== 'credential' || typeof account.password !== 'string') return
    if (isOwnHash(account.password)) return
    hold.learn(account.password)
    signIn.imported = { accountId: account.id, hash: account.password }
  }
  const findCredentialAccount = internalAdapter.findCredentialAccount.bind(internalAdapter)
  internalAdapter.findCredentialAccount = async (userId) => {
    const account = await findCredentialAccount(userId)
    note(account)
    return account
  }
  const findUserByEmail = internalAdapter.findUserByEmail.bind(internalAdapter)
  internalAdapter.findUserByEmail = async (...given) => {
    const found = await findUserByEmail(...given)
    for (const account of found?.accounts ?? []) note(account)
    return found
  }

  const holdRefusal = () => {
    const signIn = currentSignIn()
    if (signIn !== undefined) signIn.holdRefusal = hold.wait
  }
  password.hash = (given) => {
    holdRefusal()
    return hash(given)
  }
  password.verify = async (given) => {
    holdRefusal()
    const imported = currentSignIn()?.imported
    if (imported?.hash !== given.hash) return verify(given)
    // One permit for both, so that nobody whose password was right is turned away before it is hashed anew.
    const fresh = await limit(async () => ((await verify(given)) ? await hash(given.password) : undefined))
    return fresh !== undefined && replace(imported.accountId, fresh, given)
  }

  async function replace(accountId: string, fresh: string, verified: { hash: string; password: string }) {
    const thisAccount = { field: 'id', value: accountId }
    const replaced = await adapter.updateMany({
      model: 'account',
      where: [thisAccount, { field: 'password', value: verified.hash }],
      update: { password: fresh }
    })
    if (replaced > 0) return true
    // Somebody signed in at the same moment, or set another password meanwhile: what is stored now decides.
    const stored = await adapter.findOne<{ password?: string | null }>({ model: 'account', where: [thisAccount] })
    const now = stored?.password
    return typeof now === 'string' && now !== verified.hash && verify({ hash: now, password: verified.password })
  }
}

/** Keeps refusals back until a moment that says nothing of the hash that was verified, if any was. */
function createHold({ adapter }: AuthContext) {
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
