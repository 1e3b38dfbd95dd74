import type { FastifyReply, FastifyRequest } from 'fastify'
import { failureKind, watchStoreFailures } from '../../db/failure-scope.ts'
import type { SessionList } from '../../db/session-queries.ts'
import type { Auth } from '../better-auth.ts'
import { readCookie } from '../cookie-header.ts'
import type { LiveSessions } from '../live-sessions.ts'
import { inputRefused, Refusal, sessionReadFailed, storeUnavailable } from '../refusals.ts'
import type { SessionResolver } from '../session-resolver.ts'
import type { Identity } from '../session-validation.ts'
import type { Outcome, PutQuestion } from './form-submission.ts'
import { documentOf, type Page } from './html.ts'
import type { Theme } from './theme.ts'

/** What every page works with. */
export interface PageContext {
  readonly publicUrl: string
  readonly theme: Theme
  readonly features: Features
  readonly auth: Pick<Auth, '$context'>
  readonly sessions: SessionResolver
  /** The session cookie's full name, prefix included. */
  readonly sessionCookie: string
  readonly live: LiveSessions
  /** What the account page lists. */
  readonly sessionList: SessionList
  readonly put: PutQuestion
}

/** Answers with a page. */
export function sendPage(reply: FastifyReply, { theme }: PageContext, page: Page, status = 200): FastifyReply {
  return reply.code(status).type('text/html; charset=utf-8').send(documentOf(theme, page))
}

/** Goes on to another page, whatever the method was. */
export function goTo(reply: FastifyReply, address: string): FastifyReply {
  return reply.code(303).header('location', address).send()
}

/** The status of a form that comes back with what is wrong with it. */
export function statusOf(outcome: Extract<Outcome, { ok: false }>, reply: FastifyReply): number {
  if (outcome.retryAfter !== undefined) reply.header('retry-after', String(outcome.retryAfter))
  return outcome.status
}

/**
 * Who is looking, by the verdict that every proxied request gets: a page that asked elsewhere could send a person back
 * and forth between sign-in and where they came from. Throws SESSION_STORE_UNAVAILABLE.
 */
export async function whoIsAsking(
  { sessions, sessionCookie }: PageContext,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<Identity | null> {
  const header = request.headers.cookie ?? ''
  const cookie = readCookie(header, sessionCookie)
  if (cookie.kind !== 'present') return null
  const verdict = await sessions.resolve(cookie.value, header)
  if (verdict.outcome === 'unavailable') throw sessionReadFailed(verdict.cause)
  if (verdict.outcome === 'anonymous') return null
  for (const setCookie of verdict.setCookies) reply.header('set-cookie', setCookie)
  return verdict.identity
}

/** Reads from the store. Throws SESSION_STORE_UNAVAILABLE when it cannot answer. */
export async function fromStore<T>(read: () => Promise<T>): Promise<T> {
  const found = await watchStoreFailures(read)
  if (found.storeFailed) throw storeUnavailable()
  if (!found.ok) throw failureKind(found.error) === 'input' ? inputRefused() : new Refusal('INTERNAL_ERROR')
  return found.result
}

/** The text of a form's field or of a query's parameter; undefined where it is missing, or came more than once. */
export function textIn(source: unknown, name: string): string | undefined {
  if (source instanceof URLSearchParams) {
    const values = source.getAll(name)
    return values.length === 1 ? values[0] : undefined
  }
  if (typeof source !== 'object' || source === null || !Object.hasOwn(source, name)) return undefined
  const value: unknown = Reflect.get(source, name)
  return typeof value === 'string' ? value : undefined
}

/** A social provider, as a button. */
export interface Provider {
  readonly id: string
  readonly name: string
}

/** What these pages can offer, which is what BetterAuth was told to allow. */
export interface Features {
  readonly passwords: boolean
  readonly signUp: boolean
  readonly resetPassword: boolean
  readonly verifyEmail: boolean
  /** Whether nobody is let in before their address is confirmed. */
  readonly confirmFirst: boolean
  readonly deleteAccount: boolean
  readonly providers: readonly Provider[]
  readonly minPasswordLength: number
  readonly maxPasswordLength: number
}

/** Reads them off the instance, so that the pages never offer what would be refused. */
export async function featuresOf(auth: Pick<Auth, '$context'>, publicSignUp: boolean): Promise<Features> {
  const { options, socialProviders, password } = await auth.$context
  const { emailAndPassword, emailVerification, user, disabledPaths = [] } = options
  const open = (path: string) => !disabledPaths.includes(path)
  const passwords = emailAndPassword?.enabled === true && open('/sign-in/email')
  return {
    passwords,
    signUp: publicSignUp && passwords && open('/sign-up/email'),
    resetPassword: passwords && emailAndPassword?.sendResetPassword !== undefined && open('/request-password-reset'),
    verifyEmail: emailVerification?.sendVerificationEmail !== undefined && open('/send-verification-email'),
    confirmFirst: emailAndPassword?.requireEmailVerification === true,
    deleteAccount: user?.deleteUser?.enabled === true && open('/delete-user'),
    providers: open('/sign-in/social') ? socialProviders.map(({ id, name }) => ({ id, name })) : [],
    minPasswordLength: password.config.minPasswordLength,
    maxPasswordLength: password.config.maxPasswordLength
  }
}
