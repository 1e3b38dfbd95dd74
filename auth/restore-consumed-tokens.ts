import { AsyncLocalStorage } from 'node:async_hooks'
import { runWithTransaction } from '@better-auth/core/context'
import type { AuthContext } from 'better-auth'
import { isStoreFailure } from '../db/failure-kind.ts'
import type { Watched } from '../db/store-failure-context.ts'
import { runLater, withTimeout } from '../db/timeout.ts'
import { isRecord } from '../db/type-guards.ts'
import { guardAdapter, type StorageAdapter, type Where } from './guarded-adapter.ts'
import { currentCall } from './optimistic-lock.ts'

/**
 * Endpoints that use up what was mailed or texted before they do what it is for, by their paths below BetterAuth's.
 * A new password is not among them, because BetterAuth does both in one transaction; a second factor is not, because a new
 * one costs nothing but another sign-in.
 */
const endpoints: ReadonlySet<string> = new Set([
  '/delete-user',
  '/delete-user/callback',
  '/email-otp/change-email',
  '/email-otp/verify-email',
  '/magic-link/verify',
  '/one-time-token/verify',
  '/phone-number/verify',
  '/sign-in/email-otp'
])
const deletesAccount: ReadonlySet<string> = new Set(['/delete-user', '/delete-user/callback'])
// Of these, what was sent ends with the password and the address of whoever is signed in.
const endsWithPassword: ReadonlySet<string> = new Set([...deletesAccount, '/email-otp/change-email'])

/** A row of the table `verification`. */
interface Token {
  readonly identifier: string
  readonly value: string
  readonly expiresAt: Date
  readonly createdAt: Date
  readonly updatedAt: Date
  /** Whose it is, where it ends with the password and the address. */
  readonly owner?: Owner | undefined
}

/** What a user's account was when a token was about to be used up. */
interface Owner {
  readonly id: string
  readonly email: string
  readonly hash: string | undefined
}

type Storage = Pick<StorageAdapter, 'create' | 'deleteMany' | 'findMany' | 'findOne' | 'updateMany'>

const scope = new AsyncLocalStorage<Token[]>()
// What is consumed in a transaction counts once that is committed: what is rolled back is still there.
const transactions = new AsyncLocalStorage<Token[]>()

/** Tokens that wait for the database. Past them no more are kept: an outage must not fill the memory. */
const mostWaiting = 1_000
const retryMs = 1_000
/** How long an answer waits for its token to be put back. */
const patienceMs = 1_000

export type ConsumedTokens = ReturnType<typeof createConsumedTokens>

/**
 * Puts mailed links and codes back that a call of BetterAuth has used up before it failed, so that the same link works once
 * more. That is done by another statement, since a transaction around the whole endpoint would keep a connection while
 * hooks of the policy file ask for another one. Where the database is away it is tried again until the token has expired
 * or the process ends. What has been ended meanwhile, by another password or address, stays ended. And an account's deletion uses up no link but that account's own.
 */
export function createConsumedTokens() {
  // BetterAuth's adapter, once there is one.
  let storage: Storage | undefined
  const waiting = new Set<Token>()
  let running: Promise<void> | undefined
  let cancel = () => {}
  // For no request: whose failures would be taken for those of whoever happens to ask.
  const detached = AsyncLocalStorage.snapshot()

  async function putBack({ owner, ...token }: Token): Promise<void> {
    if (storage === undefined) return
    const { identifier, value } = token
    const where: Where = [{ field: 'identifier', value: identifier }]
    if (await isUnchanged(storage, owner)) {
      // Another one may have been made since, as for a code that was wrong.
      const [other] = await storage.findMany({ model: 'verification', where, limit: 1 })
      if (other === undefined) await storage.create({ model: 'verification', data: { ...token } })
      // Once more: what ended the account's links meanwhile did not find this one.
      if (await isUnchanged(storage, owner)) return
    }
    await storage.deleteMany({ model: 'verification', where: [...where, { field: 'value', value }] })
  }

  async function putAllBack(): Promise<void> {
    for (const token of waiting) {
      try {
        if (token.expiresAt.getTime() > Date.now()) await putBack(token)
      } catch (error) {
        // One that the database refuses is given up, so that the others do not wait for it.
        if (isStoreFailure(error)) throw error
      }
      waiting.delete(token)
    }
  }

  /** Tries once, for everybody who asks meanwhile, who wait no longer than is bearable. Never rejects. */
  async function flush(): Promise<void> {
    if (waiting.size === 0) return
    running ??= detached(putAllBack)
      .catch(() => {})
      .finally(() => {
        running = undefined
        cancel()
        if (waiting.size > 0) cancel = runLater(retryMs, flush)
      })
    await withTimeout(patienceMs, running, 'the tokens were not put back in time').catch(() => {})
  }

  function guard(guarded: StorageAdapter): void {
    const { findMany: find, consumeOne } = guarded
    guarded.findMany = async <T>(given: Parameters<typeof find>[0]) => {
      if (given.model !== 'verification') return find<T>(given)
      const rows = await find<T>(given)
      return rows.filter((row) => !isSomebodyElses(row))
    }
    guarded.consumeOne = async <T>(given: Parameters<typeof consumeOne>[0]) => {
      // Before it is used up: a change that comes later does not find it, and what is read here is not that change's.
      const owner = given.model === 'verification' ? await readOwner(guarded) : undefined
      const row = await consumeOne<T>(given)
      if (given.model === 'verification' && isToken(row)) {
        const { identifier, value, expiresAt, createdAt, updatedAt } = row
        const noted = transactions.getStore() ?? scope.getStore()
        noted?.push({ identifier, value, expiresAt, createdAt, updatedAt, owner })
      }
      return row
    }
  }

  return {
    /**
     * Has this instance of BetterAuth note what it consumes. It also deletes accounts whole or not at all: by itself it deletes
     * sessions, ways to sign in and the user one by one, and a failure between them leaves a user whom nobody can be.
     */
    attach(context: Pick<AuthContext, 'adapter' | 'internalAdapter'>): void {
      const { create, deleteMany, findMany, findOne, updateMany } = context.adapter
      storage = { create, deleteMany, findMany, findOne, updateMany }
      guardAdapter(context, guard)
      const transaction = context.adapter.transaction.bind(context.adapter)
      context.adapter.transaction = async (work) => {
        const consumed: Token[] = []
        const result = await transactions.run(consumed, () => transaction(work))
        scope.getStore()?.push(...consumed)
        return result
      }
      const { internalAdapter } = context
      const deleteUser = internalAdapter.deleteUser.bind(internalAdapter)
      internalAdapter.deleteUser = async (userId) => {
        await runWithTransaction(context.adapter, () => deleteUser(userId))
      }
    },
    /**
     * Runs one call of BetterAuth, whose path is below its base. Where it fails, what it has consumed is there again when
     * this resolves, if the database answers at once. Never rejects.
     */
    async keepOnFailure(path: string, work: () => Promise<Watched<Response>>): Promise<Watched<Response>> {
      if (!endpoints.has(path)) return work()
      await flush()
      const consumed: Token[] = []
      const outcome = await scope.run(consumed, work)
      if (!isFailure(outcome)) return outcome
      for (const token of consumed) if (waiting.size < mostWaiting) waiting.add(token)
      await flush()
      return outcome
    }
  }
}

/** Who is signed in, where a token that this call uses up ends with the password and the address. */
async function readOwner(adapter: StorageAdapter): Promise<Owner | undefined> {
  const call = currentCall()
  const id = call?.users[0]
  if (scope.getStore() === undefined || call?.path === undefined || id === undefined) return undefined
  if (!endsWithPassword.has(call.path)) return undefined
  const email = await readEmail(adapter, id)
  return email === undefined ? undefined : { id, email, hash: await readHash(adapter, id) }
}

/** Whether the account has the same password and address still, so that nothing has ended its links. */
async function isUnchanged(storage: Storage, owner: Owner | undefined): Promise<boolean> {
  if (owner === undefined) return true
  const { id, email, hash } = owner
  if ((await readEmail(storage, id)) !== email) return false
  if (hash === undefined) return (await readHash(storage, id)) === undefined
  // A statement that writes, because it waits for a change of the password that is under way, where one that reads would
  // see the old one.
  const where: Where = [...credentialOf(id), { field: 'password', value: hash }]
  return (await storage.updateMany({ model: 'account', where, update: { providerId: 'credential' } })) > 0
}

async function readEmail(storage: Pick<Storage, 'findOne'>, id: string): Promise<string | undefined> {
  const user = await storage.findOne<{ email: string }>({ model: 'user', where: [{ field: 'id', value: id }] })
  return user?.email
}

async function readHash(storage: Pick<Storage, 'findOne'>, userId: string): Promise<string | undefined> {
  const where = credentialOf(userId)
  const account = await storage.findOne<{ password?: string | null }>({ model: 'account', where })
  return account?.password ?? undefined
}

function credentialOf(userId: string): Where {
  return [
    { field: 'userId', value: userId },
    { field: 'providerId', value: 'credential' }
  ]
}

/** Whether a call did not do what it was asked for, and may do it when it is asked again. */
function isFailure(outcome: Watched<Response>): boolean {
  if (!outcome.ok || outcome.storeFailed || outcome.failures.has('broken')) return true
  // 409: the account was changed at the same time.
  return outcome.result.status >= 500 || outcome.result.status === 409
}

/** A link that deletes another account than that of the session; whoever sends it must not use it up. */
function isSomebodyElses(row: unknown): boolean {
  const call = currentCall()
  if (call?.path === undefined || !deletesAccount.has(call.path) || !isRecord(row)) return false
  return row['value'] !== call.users[0]
}

function isToken(row: unknown): row is Token {
  return (
    isRecord(row) &&
    typeof row['identifier'] === 'string' &&
    typeof row['value'] === 'string' &&
    row['expiresAt'] instanceof Date &&
    row['createdAt'] instanceof Date &&
    row['updatedAt'] instanceof Date
  )
}
