import type { FastifyReply, FastifyRequest } from 'fastify'
import { failureKind } from '../../db/failure-kind.ts'
import type { SessionList } from '../../db/session-queries.ts'
import { watchStoreFailures } from '../../db/store-failure-context.ts'
import type { Auth } from '../better-auth.ts'
import { readCookie } from '../cookie-header.ts'
import type { LiveSessions } from '../end-live-connections.ts'
import { inputRefused, Refusal, sessionReadFailed, storeUnavailable } from '../refusals.ts'
import type { SessionResolver } from '../session-resolver.ts'
import type { Identity } from '../session-verdict.ts'
import { onceLost } from '../undelivered-cookies.ts'
import type { AskAuth } from './form-submission.ts'
import type { FormError } from './messages.ts'
import type { Features } from './offered-features.ts'
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
