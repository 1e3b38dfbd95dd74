import { createHash, randomBytes } from 'node:crypto'
import type { AuthContext } from 'better-auth'
import { APIError, createAuthEndpoint, dispatchAuthEndpoint } from 'better-auth/api'
import { setSessionCookie } from 'better-auth/cookies'
import type { IdKind } from '../db/schema.ts'
import { isRecord } from '../db/type-guards.ts'
import { createUserImport } from './user-import.ts'

const lifetimeMs = 600_000
const tokenBytes = 32

export interface SignInTokenOptions {
  /** In lower case. */
  readonly email: string
  /** What the ids in the database are. */
  readonly ids: IdKind
  /** Whether somebody who has the address already may be verified and signed in. */
  readonly takesExisting: boolean
}

/**
 * Makes a user with a verified address, or verifies the one who has it, and resolves to a token that signs them in once,
 * within ten minutes. The database has only its hash. Undefined where somebody has the address and is to be left alone.
 */
export async function createSignInToken(
  context: AuthContext,
  { email, ids, takesExisting }: SignInTokenOptions
): Promise<string | undefined> {
  const { internalAdapter } = context
  const [name = email] = email.split('@')
  const outcome = await createUserImport(context, { dryRun: false, ids })({ email, name, emailVerified: true })
  if (outcome !== 'added' && !takesExisting) return undefined
  const user = (await internalAdapter.findUserByEmail(email))?.user
  if (user === undefined) return undefined
  if (!user.emailVerified) await internalAdapter.updateUser(user.id, { emailVerified: true })
  const token = randomBytes(tokenBytes).toString('base64url')
  await internalAdapter.createVerificationValue({
    identifier: identifierOf(token),
    value: user.id,
    expiresAt: new Date(Date.now() + lifetimeMs)
  })
  return token
}

/**
 * Spends such a token: resolves to the `Set-Cookie` values of a session, for the browser that sent these headers, or to
 * undefined where the token is of no use, or no longer. Of several who send it at once one is signed in.
 */
export async function spendSignInToken(
  context: AuthContext,
  headers: Headers,
  token: string
): Promise<string[] | undefined> {
  if (token.length !== Math.ceil((tokenBytes * 8) / 6)) return undefined
  try {
    const answer: unknown = await dispatchAuthEndpoint(signIn, {
      context,
      headers,
      body: { token },
      method: 'POST',
      asResponse: false,
      returnHeaders: true
    })
    return isRecord(answer) && answer['headers'] instanceof Headers ? answer['headers'].getSetCookie() : undefined
  } catch (error) {
    // A hook refuses the session, that of a banned user for one.
    if (error instanceof APIError) return undefined
    throw error
  }
}

// It belongs to no plugin, so that no request reaches it under BetterAuth's path.
const signIn = createAuthEndpoint(
  '/gatehouse-development/sign-in',
  { method: 'POST', requireHeaders: true },
  async function signInOnce(context) {
    const { internalAdapter } = context.context
    const body: unknown = context.body
    const token = isRecord(body) ? body['token'] : undefined
    const spent = typeof token === 'string' ? await internalAdapter.consumeVerificationValue(identifierOf(token)) : null
    const user = spent === null ? null : await internalAdapter.findUserById(spent.value)
    if (user === null) throw new APIError('UNAUTHORIZED')
    const session = await internalAdapter.createSession(user.id)
    await setSessionCookie(context, { session, user }, false)
    return context.json({ status: true })
  }
)

function identifierOf(token: string): string {
  return `gatehouse-development-sign-in:${createHash('sha256').update(token).digest('hex')}`
}
