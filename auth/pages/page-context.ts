import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { failureKind, watchStoreFailures } from '../../db/failure-scope.ts'
import type { SessionList } from '../../db/session-queries.ts'
import type { Auth } from '../better-auth.ts'
import { readCookie } from '../cookie-header.ts'
import { readMethods } from '../http-methods.ts'
import type { LiveSessions } from '../live-sessions.ts'
import { inputRefused, Refusal, sessionReadFailed, storeUnavailable } from '../refusals.ts'
import type { SessionResolver } from '../session-resolver.ts'
import type { Identity } from '../session-validation.ts'
import type { SubmitForm } from './form-submission.ts'
import { documentOf, type Page } from './html.ts'
import type { FormError } from './messages.ts'
import type { Theme } from './theme.ts'

/** What the routes of every page share. */
export interface PageContext {
  readonly publicUrl: string
  readonly theme: Theme
  readonly features: Features
  readonly auth: Pick<Auth, '$context'>
  readonly sessions: SessionResolver
  /** The session cookie's full name, prefix included. */
  readonly sessionCookie: string
  readonly live: LiveSessions
  readonly sessionList: SessionList
  readonly submitForm: SubmitForm
}

/** Adds a page, which HEAD can ask for too. */
export function addPage(
  app: FastifyInstance,
  url: string,
  handler: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>
): void {
  app.route({ method: [...readMethods], url, handler })
}

/** Answers with a page; with `error`, under the error's status. */
export function sendPage(reply: FastifyReply, { theme }: PageContext, page: Page, error?: FormError): FastifyReply {
  if (error?.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter))
  return reply
    .code(error?.status ?? 200)
    .type('text/html; charset=utf-8')
    .send(documentOf(theme, page))
}

/** Redirects to another page, which the browser asks for with GET. */
export function redirect(reply: FastifyReply, address: string): FastifyReply {
  return reply.code(303).header('location', address).send()
}

/**
 * The identity of whoever sent this request; null where there is none. It is the same verdict that a proxied request
 * gets: with a different one, sign-in and the page that needs a session could redirect to each other for ever. Throws
 * SESSION_STORE_UNAVAILABLE.
 */
export async function identify(
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

/** Reads from the store. Throws SESSION_STORE_UNAVAILABLE when the store cannot answer. */
export async function fromStore<T>(read: () => Promise<T>): Promise<T> {
  const found = await watchStoreFailures(read)
  if (found.storeFailed) throw storeUnavailable()
  if (!found.ok) throw failureKind(found.error) === 'input' ? inputRefused() : new Refusal('INTERNAL_ERROR')
  return found.result
}

/** The values of a form or of a query by their names. */
export type Values = Readonly<Record<string, string | undefined>>

/** The values of a parsed form (URLSearchParams) or query (an object). A name that came more than once has no value. */
export function valuesOf(source: unknown): Values {
  const values = new Map<string, string | undefined>()
  for (const [name, value] of source instanceof URLSearchParams ? source : Object.entries(source ?? {}))
    values.set(name, values.has(name) || typeof value !== 'string' ? undefined : value)
  return Object.fromEntries(values)
}

/** What these pages can offer, which is what BetterAuth was told to allow. */
export interface Features {
  readonly passwords: boolean
  readonly signUp: boolean
  readonly resetPassword: boolean
  readonly verifyEmail: boolean
  /** Whether an address has to be confirmed before the first sign-in. */
  readonly confirmFirst: boolean
  readonly deleteAccount: boolean
  /** Social providers, each of which is a button. */
  readonly providers: readonly { readonly id: string; readonly name: string }[]
  readonly minPasswordLength: number
  readonly maxPasswordLength: number
}

/** Reads the features from BetterAuth's own options, so that the pages never offer what BetterAuth would refuse. */
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
