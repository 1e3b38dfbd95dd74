import type { AuthContext } from 'better-auth'
import { sqlState } from '../db/failure-kind.ts'
import type { IdKind } from '../db/schema.ts'

/** A user of another system, with what has been checked. */
export interface UserToImport {
  /** The id that the application's tables know the user by; a new one where there is none. */
  readonly id?: string | undefined
  /** In lower case, as BetterAuth looks it up. */
  readonly email: string
  readonly emailVerified: boolean
  readonly name: string
  readonly createdAt?: Date | undefined
  /** In a form that can be verified. Without one the user has no password, and can set one by a reset. */
  readonly passwordHash?: string | undefined
}

/**
 * `present`: somebody has the address already, and nothing of theirs was changed. `id taken`: somebody else has the id. `id
 * unfit`: the database has ids of another kind.
 */
export type ImportOutcome = 'added' | 'present' | 'id taken' | 'id unfit'

const uniqueViolation = '23505'
const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i

export interface UserImportOptions {
  readonly dryRun: boolean
  /** What the ids in the database are: one of another kind would fail, or be replaced by BetterAuth without a word. */
  readonly ids: IdKind
}

/**
 * How to import one user after another: user and password are written together or not at all, and what is there already
 * is never changed. The policy file's hooks do not run. With `dryRun` it writes nothing and answers what would come of
 * it. Rejects when the database cannot answer.
 */
export function createUserImport({ adapter, internalAdapter }: AuthContext, { dryRun, ids }: UserImportOptions) {
  const isPresent = async (email: string) => (await internalAdapter.findUserByEmail(email)) !== null

  async function add({ id, passwordHash, createdAt = new Date(), ...rest }: UserToImport): Promise<void> {
    const dates = { createdAt, updatedAt: new Date() }
    await adapter.transaction(async (inside) => {
      const user = await inside.create<Record<string, unknown>, { id: string }>({
        model: 'user',
        data: { ...rest, ...dates, ...(id !== undefined && { id }) },
        forceAllowId: id !== undefined
      })
      if (passwordHash === undefined) return
      await inside.create({
        model: 'account',
        data: { userId: user.id, accountId: user.id, providerId: 'credential', password: passwordHash, ...dates }
      })
    })
  }

  return async function importUser(user: UserToImport): Promise<ImportOutcome> {
    if (await isPresent(user.email)) return 'present'
    // Postgres counts serial ids by itself: one from elsewhere would be given to somebody else once more.
    const isFit = user.id === undefined || ids === 'text' || (ids === 'uuid' && uuid.test(user.id))
    if (!isFit) return 'id unfit'
    if (dryRun) {
      const taken = user.id !== undefined && (await internalAdapter.findUserById(user.id)) !== null
      return taken ? 'id taken' : 'added'
    }
    try {
      await add(user)
      return 'added'
    } catch (error) {
      if (sqlState(error) !== uniqueViolation) throw error
      return (await isPresent(user.email)) ? 'present' : 'id taken'
    }
  }
}
