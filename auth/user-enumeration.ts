import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate } from 'node:timers/promises'
import type { AuthContext } from 'better-auth'

interface Asking {
  /** What everybody is answered; undefined where answers differ. */
  body: string | undefined
  answer(response: Response): void
  /** It was answered already. */
  answered: boolean
  /** The password that somebody signs in with, by a name that an account may have or not. */
  password: string | undefined
  hashed: boolean
  lookedUp: boolean
}

// Where BetterAuth answers the same to everybody once it goes on to look for the account, and then does more for one that
// exists: the one writes what the mail will need, the other reads something that is not there.
const answers: Readonly<Record<string, object>> = {
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

// Where BetterAuth looks up a password in a second step. Whether it hashes one for an account that does not exist, or has none, depends.
const looksUp = new Set(['/sign-in/phone-number', '/sign-in/username'])

const scope = new AsyncLocalStorage<Asking>()

/** An answer that came early, if one did, and the work, which may go on. */
export interface EvenAnswer<T> {
  readonly early: Response | undefined
  readonly rest: Promise<T>
}

/**
 * Runs one request. Resolves as soon as it is clear what it is answered, whoever has an account; never rejects, but `rest` may.
 * Where `refused` says that a sign-in was, it has done as much for an account that does not exist as for one that does.
 */
export async function answerEvenly<T>(
  work: () => Promise<T>,
  refused: (result: T) => boolean,
  auth: { readonly $context: Promise<AuthContext> }
): Promise<EvenAnswer<T>> {
  const { promise, resolve } = Promise.withResolvers<Response | undefined>()
  const asking: Asking = {
    body: undefined,
    answer: resolve,
    answered: false,
    password: undefined,
    hashed: false,
    lookedUp: false
  }
  const rest = scope.run(asking, async () => {
    const result = await work()
    if (asking.password !== undefined && refused(result)) await evenOut(asking, asking.password, auth)
    return result
  })
  const done = () => resolve(undefined)
  rest.then(done, done)
  return { early: await promise, rest }
}

async function evenOut(
  { hashed, lookedUp }: Asking,
  given: string,
  auth: { readonly $context: Promise<AuthContext> }
): Promise<void> {
  const { internalAdapter, password } = await auth.$context
  if (!lookedUp) await internalAdapter.findCredentialAccount('nobody')
  if (!hashed) await password.hash(given)
}

/** Tells which endpoint the request that is being run has reached, and with what body. */
export function reached(path: string, body: unknown): void {
  const asking = scope.getStore()
  if (asking === undefined) return
  if (Object.hasOwn(answers, path)) asking.body = JSON.stringify(answers[path])
  if (looksUp.has(path) && typeof body === 'object' && body !== null && 'password' in body)
    asking.password = typeof body.password === 'string' ? body.password : undefined
}

/**
 * Has BetterAuth's look-up of an account by its email wait, where everybody is answered the same, until that answer is on
 * its way: whether there is such an account cannot be told by the time that it took.
 */
export function answerBeforeLooking(auth: { readonly $context: Promise<AuthContext> }): void {
  auth.$context.then(
    ({ internalAdapter, password }) => {
      const { hash, verify } = password
      password.hash = (given) => {
        note('hashed')
        return hash(given)
      }
      password.verify = (given) => {
        note('hashed')
        return verify(given)
      }
      const findCredentialAccount = internalAdapter.findCredentialAccount.bind(internalAdapter)
      internalAdapter.findCredentialAccount = (userId) => {
        note('lookedUp')
        return findCredentialAccount(userId)
      }
      const deleteByIdentifier = internalAdapter.deleteVerificationByIdentifier.bind(internalAdapter)
      internalAdapter.deleteVerificationByIdentifier = async (identifier) => {
        // The code that nobody was sent. Gone, a guess at it would be told something else than a guess at one that was sent.
        if (scope.getStore()?.answered !== true) await deleteByIdentifier(identifier)
      }
      const findUserByEmail = internalAdapter.findUserByEmail.bind(internalAdapter)
      internalAdapter.findUserByEmail = async (...given) => {
        const asking = scope.getStore()
        if (asking?.body !== undefined) {
          const { body } = asking
          asking.body = undefined
          // One question that is the same for everybody: who asks while the database is away is told so, and not to wait for a mail.
          await internalAdapter.findVerificationValue('is anybody there')
          asking.answered = true
          asking.answer(new Response(body, { headers: { 'content-type': 'application/json' } }))
          await setImmediate()
        }
        return findUserByEmail(...given)
      }
    },
    // Whoever awaits the context hears of it.
    () => {}
  )
}

function note(what: 'hashed' | 'lookedUp'): void {
  const asking = scope.getStore()
  if (asking !== undefined) asking[what] = true
}
