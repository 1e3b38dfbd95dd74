import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate } from 'node:timers/promises'
import type { AuthContext } from 'better-auth'
import { isRecord } from '../db/type-guards.ts'

/** What has happened in one call of BetterAuth, as far as its duration would tell whether an account exists. */
interface CallState {
  /** The response that everybody gets; undefined where responses differ, and once it was given. */
  uniformBody?: string | undefined
  respond(response: Response): void
  responded?: true
  /** The password of a sign-in, where its duration would tell whether the account exists. */
  password?: string
  hashed?: true
  lookedUp?: true
  signIn?: SignIn
}

/** What is known of a sign-in that is under way. */
export interface SignIn {
  /** The account whose imported hash was read for it. */
  imported?: { readonly accountId: string; readonly hash: string }
  /** Waits until a refusal may be given to a sign-in that began at `since`, a time of `performance.now()`. Never rejects. */
  holdRefusal?: (since: number) => Promise<void>
}

// Endpoints that answer everybody the same once they go on to look for the account, and then do more work for one that
// exists: they write what the mail will need, where for others they read something that does not exist.
const uniformBodies: Readonly<Record<string, object>> = {
  '/request-password-reset': {
    status: true,
    message: 'If this email exists in our system, check your email for the reset link'
  },
  '/send-verification-email': { status: true },
  '/email-otp/request-email-change': { success: true },
  '/email-otp/request-password-reset': { success: true },
  '/email-otp/send-verification-otp': { success: true },
  '/forget-password/email-otp': { success: true }
}

// Endpoints that look up the password after the user, and may not hash one for an account that does not exist or has none.
const looksUpPassword = new Set(['/sign-in/phone-number', '/sign-in/username'])

const scope = new AsyncLocalStorage<CallState>()

/**
 * Runs one call of BetterAuth so that its duration does not tell whether an account exists. Resolves as soon as the
 * response is known, to the response where it is known before the work has ended, and to the rest of the work; never
 * rejects, but `rest` may. `refused` tells a refused sign-in: before `rest` resolves with one,
 * as much work is done for an account that does not exist as for one that does.
 */
export async function answerUniformly<T>(
  work: () => Promise<T>,
  refused: (result: T) => boolean,
  { $context }: { readonly $context: Promise<AuthContext> }
) {
  const since = performance.now()
  const { promise, resolve } = Promise.withResolvers<Response | undefined>()
  const call: CallState = { respond: resolve }
  const rest = scope.run(call, async () => {
    const result = await work()
    if (!refused(result)) return result
    if (call.password !== undefined) {
      const { internalAdapter, password } = await $context
      if (!call.lookedUp) await internalAdapter.findCredentialAccount('nobody')
      if (!call.hashed) await password.hash(call.password)
    }
    await call.signIn?.holdRefusal?.(since)
    return result
  })
  const done = () => resolve(undefined)
  rest.then(done, done)
  return { early: await promise, rest }
}

/** Notes which endpoint the current call has reached, and with what body. */
export function noteEndpoint(path: string, body: unknown): void {
  const call = scope.getStore()
  if (call === undefined) return
  if (path.startsWith('/sign-in/')) call.signIn = {}
  if (Object.hasOwn(uniformBodies, path)) call.uniformBody = JSON.stringify(uniformBodies[path])
  if (looksUpPassword.has(path) && isRecord(body) && typeof body['password'] === 'string')
    call.password = body['password']
}

/** The sign-in that the current call is; undefined where it is another. What is learnt of it is written into it. */
export function currentSignIn(): SignIn | undefined {
  return scope.getStore()?.signIn
}

/**
 * Where everybody is answered the same, has BetterAuth look for the account only once that answer is on its way, so that
 * its duration does not tell whether the account exists. Elsewhere it notes which work was done.
 */
export function hideAccountLookUps({ internalAdapter, password }: AuthContext): void {
  const findCredentialAccount = internalAdapter.findCredentialAccount.bind(internalAdapter)
  password.hash = noting('hashed', password.hash)
  password.verify = noting('hashed', password.verify)
  internalAdapter.findCredentialAccount = noting('lookedUp', findCredentialAccount)
  const deleteByIdentifier = internalAdapter.deleteVerificationByIdentifier.bind(internalAdapter)
  internalAdapter.deleteVerificationByIdentifier = async (identifier) => {
    // BetterAuth deletes here the code that it made for an account that does not exist and mailed to nobody. Without it,
    // a guess at the code would be answered otherwise than a guess at one that was mailed.
    if (scope.getStore()?.responded !== true) await deleteByIdentifier(identifier)
  }
  const findUserByEmail = internalAdapter.findUserByEmail.bind(internalAdapter)
  internalAdapter.findUserByEmail = async (...given) => {
    const call = scope.getStore()
    if (call?.uniformBody !== undefined) {
      const response = new Response(call.uniformBody, { headers: { 'content-type': 'application/json' } })
      call.uniformBody = undefined
      // A query that is the same for everybody: while the database is unreachable people are told so, and not to wait
      // for a mail.
      await internalAdapter.findVerificationValue('is anybody there')
      call.responded = true
      call.respond(response)
      await setImmediate()
    }
    return findUserByEmail(...given)
  }
}

function noting<A extends unknown[], R>(work: 'hashed' | 'lookedUp', run: (...given: A) => R): (...given: A) => R {
  return (...given) => {
    const call = scope.getStore()
    if (call !== undefined) call[work] = true
    return run(...given)
  }
}
