import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import type { AuthContext } from 'better-auth'
import { APIError } from 'better-auth/api'
import { isRecord } from '../db/type-guards.ts'
import { guardAdapter, type StorageAdapter, type Where } from './guarded-adapter.ts'

/** What one call of BetterAuth has read of users, and whether it may change one by now. */
interface Call {
  /** Undefined until an endpoint is reached that checks something and then writes. */
  path?: string
  /** Where a mailed link leads on to; BetterAuth has found it trusted before its endpoint begins. */
  callbackURL?: string
  /** The users that were read, the first one first, by id: their address, and when they were last changed, in ms. */
  readonly users: Map<string, ReadUser>
  readonly startedAt: number
  /** The password that was found right, and the hash that it was held against. */
  password?: { readonly hash: string; readonly password: string }
  claimed: boolean
}

interface ReadUser {
  readonly email: string
  readonly changedAt: number
  readonly row: Readonly<Record<string, unknown>>
}

/** Endpoints that check a secret or a session and then change the account. Of two at once the second is refused. */
const endpoints: ReadonlySet<string> = new Set([
  '/change-email',
  '/change-password',
  '/delete-user',
  '/delete-user/callback',
  '/email-otp/change-email',
  '/email-otp/reset-password',
  '/phone-number/reset-password',
  '/reset-password',
  '/two-factor/disable',
  '/two-factor/enable',
  '/two-factor/generate-backup-codes',
  '/two-factor/verify-otp',
  '/two-factor/verify-totp',
  '/unlink-account',
  '/verify-email'
])
// Of these, those that use up a mailed token for the user that they read last, in the transaction that sets the password.
const resets: ReadonlySet<string> = new Set([
  '/email-otp/reset-password',
  '/phone-number/reset-password',
  '/reset-password'
])
// What the two-factor plugin counts failures in. It changes nothing that anybody could be signed in by.
const counters = new Set(['failedVerificationCount', 'lockedUntil'])

// What of a user decides who can be them, or what they may do. Whatever else is written, such as a name, is written as
// often as somebody with a session likes, and must keep nobody from changing the password.
const decisive = ['email', 'emailVerified', 'phoneNumber', 'phoneNumberVerified', 'twoFactorEnabled', 'role', 'banned']
const mostClaims = 10

/** The rows of the table `verification` that say which calls were about to change an account. */
const noticeOf = (userId: string) => `account-change-${userId}`
const noticeMs = 600_000
/** How far the clocks of replicas may be apart. */
const clocksMs = 10_000

const scope = new AsyncLocalStorage<Call>()

/** Runs one call of BetterAuth under the optimistic lock. Resolves and rejects as the work does. */
export function withOptimisticLock<T>(work: () => Promise<T>): Promise<T> {
  return scope.run({ users: new Map(), startedAt: Date.now(), claimed: false }, work)
}

/** What the current call has read of users, and the endpoint that it has reached where that one takes turns. */
export function currentCall(): { readonly path: string | undefined; readonly users: readonly string[] } | undefined {
  const call = scope.getStore()
  return call && { path: call.path, users: [...call.users.keys()] }
}

/** Notes which endpoint the current call has reached, and with what query. */
export function noteLockedEndpoint(path: string, query: unknown): void {
  const call = scope.getStore()
  if (call === undefined || !endpoints.has(path)) return
  call.path = path
  if (isRecord(query) && typeof query['callbackURL'] === 'string') call.callbackURL = query['callbackURL']
}

/**
 * Makes BetterAuth's changes of one account exclude each other, in all replicas and with any database or pooler, by an
 * optimistic lock. Whoever has checked a secret sets the user's `updated_at` before the first write, under the condition
 * that it is still what was read before the check: one conditional statement, which holds no connection and waits for
 * nobody but for another such statement. Where the user was changed, but nothing that decides who can sign in and by no
 * other such call, it tries again: each says in another row beforehand that it will change the account. Of several at once one succeeds; the others are refused with `ACCOUNT_CHANGED`.
 * A sign-in excludes nobody, but its session is taken back where the password was replaced before the session was there.
 */
export function lockOptimistically({ adapter, password, options }: AuthContext): void {
  // As it is before others guard it, who leave rows out.
  const { create, findOne, findMany, update } = adapter
  const unguarded = { create, findOne, findMany, update }
  guardAdapter({ adapter }, guard)

  const verify = password.verify.bind(password)
  password.verify = async (given) => {
    const right = await verify(given)
    const call = scope.getStore()
    if (right && call !== undefined) call.password = given
    return right
  }

  const deletion = options.user?.deleteUser
  if (deletion !== undefined) {
    const { beforeDelete } = deletion
    // What the policy file does before a deletion is done once, by the one that will delete.
    deletion.beforeDelete = async (user, request) => {
      const call = scope.getStore()
      if (call !== undefined) await claim(unguarded, call, user.id)
      await beforeDelete?.(user, request)
    }
  }

  function guard(guarded: StorageAdapter): void {
    const { create, findOne, findMany, update, updateMany, delete: deleteOne, deleteMany, consumeOne } = guarded
    const plain = { create, findOne, findMany, update }
    const lock = async (change: Change) => {
      const call = scope.getStore()
      if (call?.path !== undefined && isExclusive(call.path, change)) await claim(plain, call, userOf(call, change))
    }
    guarded.findOne = async <T>(given: Parameters<typeof findOne>[0]) => {
      const row = await findOne<T>(given)
      note(given.model, row)
      return row
    }
    guarded.findMany = async <T>(given: Parameters<typeof findMany>[0]) => {
      const rows = await findMany<T>(given)
      for (const row of rows) note(given.model, row)
      return rows
    }
    guarded.create = async <T extends Record<string, unknown>, R = T>(given: Creation<T>) => {
      await lock({ kind: 'create', model: given.model, data: given.data })
      const created = await create<T, R>(given)
      if (given.model === 'session') await requireSamePassword(created)
      return created
    }
    guarded.consumeOne = async <T>(given: Parameters<typeof consumeOne>[0]) => {
      const call = scope.getStore()
      // Before a mailed token is locked: who has the user then deletes all the others, and two would wait for each other.
      if (call?.path !== undefined && resets.has(call.path) && given.model === 'verification')
        await claim(plain, call, [...call.users.keys()].at(-1))
      return consumeOne<T>(given)
    }
    guarded.update = async <T>(given: Parameters<typeof update>[0]) => {
      await lock({ kind: 'update', data: given.update, ...given })
      const verified = replacedHash(given)
      if (verified === undefined) return update<T>(given)
      const updated = await update<T>({ ...given, where: [...given.where, { field: 'password', value: verified }] })
      if (updated === null) throw accountChanged()
      return updated
    }
    guarded.updateMany = async (given) => {
      await lock({ kind: 'update', data: given.update, ...given })
      return updateMany(given)
    }
    guarded.delete = async <T>(given: Parameters<typeof deleteOne>[0]) => {
      await lock({ kind: 'delete', ...given })
      return deleteOne<T>(given)
    }
    guarded.deleteMany = async (given) => {
      await lock({ kind: 'delete all', ...given })
      return deleteMany(given)
    }

    /** Takes a session back that was made with a password which is not the account's any more. */
    async function requireSamePassword(session: unknown): Promise<void> {
      const call = scope.getStore()
      if (call?.password === undefined || call.claimed || !isRecord(session)) return
      const { userId, token } = session
      if (typeof userId !== 'string' || typeof token !== 'string') return
      const where: Where = [
        { field: 'userId', value: userId },
        { field: 'providerId', value: 'credential' }
      ]
      // A statement that writes, because it waits for a change of the password that is under way, where one that reads
      // would see the old one. A change that comes after it finds the session, and ends it.
      const holds = (hash: string) =>
        updateMany({
          model: 'account',
          where: [...where, { field: 'password', value: hash }],
          update: { password: hash }
        })
      const { hash, password: text } = call.password
      if ((await holds(hash)) > 0) return
      const account = await findOne<{ password?: string | null }>({ model: 'account', where })
      // The same password may have got another hash.
      const current = account?.password ?? ''
      if (current !== '' && (await verify({ hash: current, password: text })) && (await holds(current)) > 0) return
      await deleteOne({ model: 'session', where: [{ field: 'token', value: token }] })
      throw new APIError('UNAUTHORIZED', {
        code: 'INVALID_EMAIL_OR_PASSWORD',
        message: 'Invalid email or password'
      })
    }
  }
}

interface Creation<T> {
  readonly model: string
  readonly data: Omit<T, 'id'>
  select?: string[] | undefined
  forceAllowId?: boolean | undefined
}

/** One write, as BetterAuth asks for it. */
interface Change {
  readonly kind: 'create' | 'update' | 'delete' | 'delete all'
  readonly model: string
  readonly where?: Where
  readonly data?: Readonly<Record<string, unknown>>
}

/** Whether a write changes the account, so that it has to be the only one. */
function isExclusive(path: string, { kind, model, data = {} }: Change): boolean {
  switch (model) {
    case 'user':
      // That an address is confirmed twice harms nobody: people open such a link twice.
      return kind !== 'create' && (path !== '/verify-email' || 'email' in data)
    case 'account':
      return true
    case 'session':
      // One by one they are refreshed, or left out because they are over.
      return kind === 'delete all'
    case 'twoFactor':
      return kind !== 'update' || Object.keys(data).some((key) => !counters.has(key))
    default:
      return false
  }
}

/** The user whom a write changes; where it does not name one, the user that was read first. */
function userOf({ users }: Call, { model, where = [], data = {} }: Change): string | undefined {
  for (const { field, value, operator = 'eq' } of where) {
    if (operator !== 'eq' || typeof value !== 'string') continue
    if (field === 'userId' || (model === 'user' && field === 'id')) return value
    if (model === 'user' && field === 'email')
      for (const [id, { email }] of users) if (email === value.toLowerCase()) return id
  }
  if (typeof data['userId'] === 'string') return data['userId']
  return users.keys().next().value
}

type Storage = Pick<StorageAdapter, 'create' | 'findOne' | 'findMany' | 'update'>

/** Sets when the user was changed, if nothing that counts is other than what was read. Throws `ACCOUNT_CHANGED`. */
async function claim(storage: Storage, call: Call, userId: string | undefined): Promise<void> {
  if (call.claimed || userId === undefined) return
  const read = call.users.get(userId)
  if (read === undefined) return
  // Set first, since these statements are writes like others.
  call.claimed = true
  const claimed = await claimAgain(storage, call, userId, read).catch((error: unknown) => {
    call.claimed = false
    throw error
  })
  if (!claimed) throw refusalOf(call)
}

async function claimAgain(storage: Storage, call: Call, userId: string, read: ReadUser): Promise<boolean> {
  const notice = randomUUID()
  const now = new Date()
  const data = { identifier: noticeOf(userId), value: notice, createdAt: now, updatedAt: now }
  // Before the claim: whoever loses to it has to find this, though nothing else is written yet.
  await storage.create({ model: 'verification', data: { ...data, expiresAt: new Date(now.getTime() + noticeMs) } })
  let { changedAt } = read
  for (let tries = 0; tries < mostClaims; tries++) {
    if (await claimOnce(storage, userId, changedAt)) return true
    // The user first: a claim that comes after this has the next try fail, and of one before it the notice is there.
    const user = await storage.findOne<Record<string, unknown>>({
      model: 'user',
      where: [{ field: 'id', value: userId }]
    })
    if (!(user?.['updatedAt'] instanceof Date) || decisive.some((field) => user[field] !== read.row[field]))
      return false
    if (await isChangedElsewhere(storage, call, userId, notice)) return false
    changedAt = user['updatedAt'].getTime()
  }
  return false
}

async function claimOnce({ update }: Storage, userId: string, changedAt: number): Promise<boolean> {
  // Postgres keeps microseconds, and dates have milliseconds.
  const unchanged: Where = [
    { field: 'updatedAt', operator: 'gte', value: new Date(changedAt) },
    { field: 'updatedAt', operator: 'lt', value: new Date(changedAt + 1) }
  ]
  const found = await update({
    model: 'user',
    where: [{ field: 'id', value: userId }, ...unchanged],
    update: { updatedAt: new Date(Math.max(Date.now(), changedAt + 1)) }
  })
  return found !== null
}

/** Whether another call has changed the account, or is about to, since this one began; or the password is another one. */
async function isChangedElsewhere(storage: Storage, call: Call, userId: string, notice: string): Promise<boolean> {
  const notices = await storage.findMany<{ value: string; createdAt: Date }>({
    model: 'verification',
    where: [{ field: 'identifier', value: noticeOf(userId) }]
  })
  const since = call.startedAt - clocksMs
  if (notices.some(({ value, createdAt }) => value !== notice && createdAt.getTime() > since)) return true
  if (call.password === undefined) return false
  const account = await storage.findOne<{ password?: string | null }>({
    model: 'account',
    where: [
      { field: 'userId', value: userId },
      { field: 'providerId', value: 'credential' }
    ]
  })
  return account?.password !== call.password.hash
}

/** Notes the users in a row that was read, each as it was read first. */
function note(model: string, row: unknown): void {
  const call = scope.getStore()
  if (call === undefined || !isRecord(row)) return
  const user = model === 'user' ? row : row['user']
  if (!isRecord(user)) return
  const { id, email, updatedAt } = user
  if (typeof id !== 'string' || typeof email !== 'string' || !(updatedAt instanceof Date)) return
  const changedAt = updatedAt.getTime()
  if (!Number.isNaN(changedAt) && !call.users.has(id)) call.users.set(id, { email, changedAt, row: user })
}

/** The hash that was verified, where this write replaces a password that was asked for; undefined elsewhere. */
function replacedHash({ model, update }: Parameters<StorageAdapter['update']>[0]): string | undefined {
  const call = scope.getStore()
  if (call?.path === undefined || model !== 'account' || typeof update['password'] !== 'string') return undefined
  return call.password?.hash
}

function refusalOf({ path, callbackURL }: Call): APIError {
  if (path !== '/verify-email' || callbackURL === undefined) return accountChanged()
  const [address = '', ...fragment] = callbackURL.split('#')
  const location = [`${address}${address.includes('?') ? '&' : '?'}error=INVALID_TOKEN`, ...fragment].join('#')
  return new APIError('FOUND', undefined, { location })
}

function accountChanged(): APIError {
  return new APIError('CONFLICT', { code: 'ACCOUNT_CHANGED', message: 'The account was changed at the same time' })
}
