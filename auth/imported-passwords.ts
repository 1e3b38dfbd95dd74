import type { AuthContext } from 'better-auth'
import type { ConcurrencyLimit } from '../db/semaphore.ts'
import { isOwnHash } from './imported-hash.ts'
import { createHold } from './imported-hash-timing.ts'
import { currentSignIn } from './user-enumeration.ts'

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
