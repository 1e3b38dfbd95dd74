import type { AuthContext, BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'
import { isRecord } from '../db/type-guards.ts'
import { guardAdapter, type StorageAdapter, type Where } from './guarded-adapter.ts'
import { currentCall } from './optimistic-lock.ts'

// BetterAuth's defaults, in seconds.
const verificationSeconds = 3_600

/** The row of the table `verification` that says when an account's pending changes of its address were ended. */
const endOf = (userId: string) => `email-changes-ended-${userId}`

/**
 * With a new password or another address, whatever was mailed for the account before is of no use any more, nor is a
 * sign-in that waits for its second factor: other links to a new password, to the account's deletion and to another
 * address. Somebody who had the account may have asked for them, and a mailbox that is the account's no longer may hold them.
 * Devices that need no second factor go on, since they still need the password.
 */
export function endPendingLinks(context: AuthContext): void {
  const { internalAdapter, options } = context
  const hasPlugin = (id: string) => options.plugins?.some((plugin) => plugin.id === id) === true
  const changesEmail = options.user?.changeEmail?.enabled === true
  const emailSeconds = options.emailVerification?.expiresIn ?? verificationSeconds

  guardAdapter(context, (guarded) => {
    const { create, update, updateMany, consumeOne, findMany } = guarded
    // Codes to another address may be kept under a hash, so that they cannot be found when they end.
    guarded.consumeOne = async <T>(given: Parameters<typeof consumeOne>[0]) => {
      const row = await consumeOne<T>(given)
      const call = currentCall()
      const userId = call?.users[0]
      if (given.model !== 'verification' || call?.path !== '/email-otp/change-email' || userId === undefined) return row
      const sentAt = isRecord(row) ? row['createdAt'] : undefined
      const ended = await lastEnd({ findMany }, userId)
      return ended !== undefined && sentAt instanceof Date && sentAt <= ended ? null : row
    }
    guarded.create = async <T extends Record<string, unknown>, R = T>(given: Parameters<typeof create<T, R>>[0]) => {
      const created = await create<T, R>(given)
      const { userId, password } = given.data
      // A user who has just been made has nothing pending.
      const isKnown = currentCall()?.users.includes(String(userId)) !== false
      if (given.model === 'account' && typeof password === 'string' && typeof userId === 'string' && isKnown)
        await end(guarded, userId)
      return created
    }
    guarded.update = async <T>(given: Parameters<typeof update>[0]) => {
      const updated = await update<T>(given)
      const userId = isRecord(updated) ? changedUser(given, updated) : undefined
      if (typeof userId === 'string') await end(guarded, userId)
      return updated
    }
    guarded.updateMany = async (given) => {
      const count = await updateMany(given)
      // Without a user's id it is the hash alone that is another, not the password.
      const userId = count > 0 ? changedUser(given, { userId: equalTo(given.where, 'userId') }) : undefined
      if (typeof userId === 'string') await end(guarded, userId)
      return count
    }
  })

  async function end(adapter: StorageAdapter, userId: string): Promise<void> {
    // Read without an index, once for each new password: the table holds what is mailed in an hour or so.
    const pending = await adapter.findMany<{ id: string; identifier: string }>({
      model: 'verification',
      where: [{ field: 'value', value: userId }]
    })
    const ids = pending.filter(({ identifier }) => !identifier.startsWith('trust-device-')).map(({ id }) => id)
    if (ids.length > 0)
      await adapter.deleteMany({ model: 'verification', where: [{ field: 'id', operator: 'in', value: ids }] })
    await endCodes(adapter, userId)
    if (!changesEmail && !hasPlugin('email-otp')) return
    const now = new Date()
    const expiresAt = new Date(now.getTime() + emailSeconds * 1_000)
    const data = { identifier: endOf(userId), value: 'ended', createdAt: now, updatedAt: now, expiresAt }
    await adapter.create({ model: 'verification', data })
  }

  // Codes to a new password are kept under what they were sent to.
  async function endCodes(adapter: StorageAdapter, userId: string): Promise<void> {
    const [byEmail, byPhone] = [hasPlugin('email-otp'), hasPlugin('phone-number')]
    if (!byEmail && !byPhone) return
    const where = [{ field: 'id', value: userId }]
    const user = await adapter.findOne<{ email?: unknown; phoneNumber?: unknown }>({ model: 'user', where })
    if (byEmail && typeof user?.email === 'string')
      await internalAdapter.deleteVerificationByIdentifier(`forget-password-otp-${user.email}`)
    if (byPhone && typeof user?.phoneNumber === 'string')
      await internalAdapter.deleteVerificationByIdentifier(`phone-number-reset-${user.phoneNumber}`)
  }
}

/** The id of the user whose password or address a statement has changed, which wrote this row; undefined for others. */
function changedUser(
  { model, update }: { readonly model: string; readonly update: Readonly<Record<string, unknown>> },
  row: Readonly<Record<string, unknown>>
): unknown {
  if (model === 'account' && typeof update['password'] === 'string') return row['userId']
  return model === 'user' && typeof update['email'] === 'string' ? row['id'] : undefined
}

/** When a user's pending changes of the address were last ended. */
async function lastEnd({ findMany }: Pick<StorageAdapter, 'findMany'>, userId: string): Promise<Date | undefined> {
  const [ended] = await findMany<{ createdAt: Date }>({
    model: 'verification',
    where: [{ field: 'identifier', value: endOf(userId) }],
    sortBy: { field: 'createdAt', direction: 'desc' },
    limit: 1
  })
  return ended?.createdAt
}

function equalTo(where: Where, field: string): unknown {
  return where.find((one) => one.field === field && (one.operator ?? 'eq') === 'eq')?.value
}

/**
 * Refuses a mailed link to another address where the account's password or address has changed since it was sent. Those
 * links are not in the database: they are signed, and good until they expire.
 */
export function refuseEndedEmailChanges(): BetterAuthPlugin {
  const refuse = createAuthMiddleware(async ({ query, context: { adapter } }) => {
    const change = emailChangeIn(isRecord(query) ? query['token'] : undefined)
    if (change === undefined) return undefined
    const ended = await lastEnd(adapter, change.userId)
    if (ended === undefined || change.sentAt > ended.getTime()) return undefined
    // BetterAuth refuses it, once it has found trusted where the link leads on to.
    return { context: { query: { ...query, token: 'ended' } } }
  })
  return {
    id: 'gatehouse-pending-links',
    hooks: { before: [{ matcher: ({ path }) => path === '/verify-email', handler: refuse }] }
  }
}

/** Whose address a mailed token changes, and when it was signed, in ms; undefined for others. Verifies nothing. */
function emailChangeIn(token: unknown): { userId: string; sentAt: number } | undefined {
  if (typeof token !== 'string') return undefined
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.', 2)[1] ?? '', 'base64url').toString())
    if (!isRecord(payload)) return undefined
    const { updateTo, userId, iat } = payload
    return typeof updateTo === 'string' && typeof userId === 'string' && typeof iat === 'number'
      ? { userId, sentAt: iat * 1_000 }
      : undefined
  } catch {
    return undefined
  }
}
