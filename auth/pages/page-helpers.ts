import type { FastifyReply, FastifyRequest } from 'fastify'
import type { SessionList } from '../../db/session-queries.ts'
import { failureKind, watchStoreFailures } from '../../db/store-failure-context.ts'
import { isRecord } from '../../db/type-guards.ts'
import type { Auth } from '../better-auth.ts'
import { readCookie } from '../cookie-header.ts'
import type { LiveSessions } from '../live-sessions.ts'
import { onceLost } from '../lost-refresh.ts'
import { inputRefused, Refusal, sessionReadFailed, storeUnavailable } from '../refusals.ts'
import type { SessionResolver } from '../session-resolver.ts'
import type { Identity } from '../session-verdict.ts'
import type { AskAuth } from './form-submission.ts'
import type { FormError } from './messages.ts'
import type { PageAddresses } from './page-addresses.ts'
import { documentOf, type Page } from './page-markup.ts'
import type { Theme } from './theme.ts'

/** What the routes of every page share. */
export interface PageContext {
  readonly publicUrl: string
  readonly addresses: PageAddresses
  /** The path that BetterAuth is below. */
  readonly basePath: string
  readonly theme: Theme
  readonly features: Features
  readonly auth: Pick<Auth, '$context'>
  readonly sessions: SessionResolver
  /** The session cookie's full name, prefix included. */
  readonly sessionCookie: string
  readonly live: LiveSessions
  readonly sessionList: SessionList
  readonly submitForm: AskAuth['submitForm']
  readonly openLink: AskAuth['openLink']
}

/** Options of a page's route: HEAD is answered as well as GET. */
export const pageRoute = { exposeHeadRoute: true }

/** Answers with a page; with `error`, under the error's status. */
export function sendPage(reply: FastifyReply, { theme }: PageContext, page: Page, error?: FormError): FastifyReply {
  if (error?.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter))
  return reply
    .code(error?.status ?? 200)
    .type('text/html; charset=utf-8')
    .send(documentOf(theme, page))
}

/** What every page of a form is made from, beside what was entered in it. */
export type FormParts = Pick<PageContext, 'features' | 'addresses'>

/** Makes the function that answers with a page of a form: as it is at first, or as it was entered and with its error. */
export function createFormSender(context: PageContext) {
  return function show<V extends { readonly error?: FormError | undefined }>(
    reply: FastifyReply,
    page: (parts: FormParts, view: V) => Page,
    view: V
  ): FastifyReply {
    return sendPage(reply, context, page(context, view), view.error)
  }
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
  const since = Date.now()
  const verdict = await sessions.resolve(cookie.value, header)
  if (verdict.outcome === 'unavailable') throw sessionReadFailed(verdict.cause)
  if (verdict.outcome === 'anonymous') return null
  for (const setCookie of verdict.setCookies) reply.header('set-cookie', setCookie)
  if (verdict.setCookies.length > 0) onceLost(reply.raw, () => sessions.refreshLost(cookie.value, since))
  return verdict.identity
}

/** Reads from the store. Throws SESSION_STORE_UNAVAILABLE when the store cannot answer. */
export async function fromStore<T>(read: () => Promise<T>): Promise<T> {
  const found = await watchStoreFailures(read)
  if (found.storeFailed) throw storeUnavailable()
  if (!found.ok) throw failureKind(found.error) === 'input' ? inputRefused() : new Refusal('INTERNAL_ERROR')
  return found.result
}

/** What the pages can offer, read from BetterAuth's own options, so that they never offer what BetterAuth would refuse. */
export async function featuresOf(auth: Pick<Auth, '$context'>, publicSignUp: boolean) {
  const { options, socialProviders, password } = await auth.$context
  const { emailAndPassword, emailVerification, user, disabledPaths = [], plugins = [] } = options
  const isOpen = (path: string) => !disabledPaths.includes(path)
  const { minPasswordLength: minLength, maxPasswordLength: maxLength } = password.config
  const passwords = emailAndPassword?.enabled === true && isOpen('/sign-in/email')
  return {
    passwords,
    signUp: publicSignUp && passwords && isOpen('/sign-up/email'),
    resetPassword: passwords && emailAndPassword?.sendResetPassword !== undefined && isOpen('/request-password-reset'),
    verifyEmail: emailVerification?.sendVerificationEmail !== undefined && isOpen('/send-verification-email'),
    /** Whether an address has to be confirmed before the first sign-in. */
    confirmFirst: emailAndPassword?.requireEmailVerification === true,
    secondFactor: secondFactorOf(plugins),
    magicLink: plugins.some(({ id }) => id === 'magic-link'),
    deleteAccount: user?.deleteUser?.enabled === true && isOpen('/delete-user'),
    providers: isOpen('/sign-in/social') ? socialProviders.map(({ id, name }) => ({ id, name })) : [],
    newPassword: { minLength, maxLength, hint: `At least ${minLength} characters.` }
  }
}

/** How a second factor is asked for; undefined without BetterAuth's two-factor plugin. */
function secondFactorOf(plugins: readonly { readonly id: string; readonly options?: unknown }[]) {
  const plugin = plugins.find(({ id }) => id === 'two-factor')
  if (plugin === undefined) return undefined
  const otp = isRecord(plugin.options) ? plugin.options['otpOptions'] : undefined
  return { mailed: isRecord(otp) && otp['sendOTP'] !== undefined }
}

export type Features = Readonly<Awaited<ReturnType<typeof featuresOf>>>
