import type { FastifyReply, FastifyRequest } from 'fastify'
import type { SessionList } from '../../db/session-queries.ts'
import { failureKind, watchStoreFailures } from '../../db/store-failure-context.ts'
import type { Auth } from '../better-auth.ts'
import { AuthFailedError, AuthInputError, SessionStoreUnavailableError, sessionReadFailed } from '../errors.ts'
import type { Identity } from '../identity.ts'
import type { LiveSessions } from '../live-sessions.ts'
import { readCookie } from '../session-cookie.ts'
import type { SessionResolver } from '../session-resolver.ts'
import type { Features } from './features.ts'
import { documentOf, type Page } from './layout.ts'
import type { Outcome, PutQuestion } from './questions.ts'
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
 * and forth between sign-in and where they came from. Throws SessionStoreUnavailableError.
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

/** Reads from the store. Throws SessionStoreUnavailableError when it cannot answer. */
export async function fromStore<T>(read: () => Promise<T>): Promise<T> {
  const found = await watchStoreFailures(read)
  if (found.storeFailed) throw new SessionStoreUnavailableError()
  if (!found.ok) throw failureKind(found.error) === 'input' ? new AuthInputError() : new AuthFailedError()
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
