import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { readCookie } from '../auth/cookie-header.ts'
import { requestSource } from '../auth/cross-site.ts'
import { sessionReadFailed } from '../auth/errors.ts'
import { isSafe } from '../auth/http-methods.ts'
import type { SessionResolver } from '../auth/session-resolver.ts'
import type { Identity, SessionVerdict } from '../auth/session-validation.ts'
import { CookieAmbiguousError, NotFoundError, OriginForbiddenError, SessionRequiredError } from './errors.ts'
import { type Access, type DemandCheck, demandCheck, type RouteRule } from './route-policy.ts'
import { isUpgrade } from './websocket-upgrade.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is asking, once the guard has found out; null on public routes and for the anonymous. */
    identity: Identity | null
  }
}

export interface GuardOptions {
  readonly sessions: SessionResolver
  /** The session cookie's full name, prefix included. */
  readonly sessionCookie: string
  /** The public origin and the trusted ones. */
  readonly origins: ReadonlySet<string>
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** The session cookie's raw value, undefined without one. Throws CookieAmbiguousError for two different ones. */
export function sessionCookieOf(request: IncomingMessage, name: string): string | undefined {
  const reading = readCookie(request.headers.cookie, name)
  if (reading.kind === 'ambiguous') throw new CookieAmbiguousError()
  return reading.kind === 'present' ? reading.value : undefined
}

/**
 * The hook that every proxied request and upgrade passes: policy, then origin, then session, then what the rule asks for
 * beyond one. It answers at once when the session was read a moment ago, and leaves `request.identity` behind.
 */
export function createGuard(options: GuardOptions): (rule: RouteRule) => onRequestHookHandler {
  const { sessions, sessionCookie, origins, now } = options

  return (rule) => {
    const { access } = rule
    const check = demandCheck(rule, now)
    return function guardRequest(request, reply, done) {
      if (access === 'deny') return done(new NotFoundError())
      const { raw } = request
      let cookie: string | undefined
      try {
        cookie = sessionCookieOf(raw, sessionCookie)
      } catch (error) {
        return done(error instanceof CookieAmbiguousError ? error : new CookieAmbiguousError())
      }
      // An upgrade is a GET that opens a channel for changes. Clients that are no browsers name no site and pass.
      const unsafe = !isSafe(request.method) || isUpgrade(raw)
      if (cookie !== undefined && unsafe && requestSource(raw.headers, origins) === 'foreign')
        return done(new OriginForbiddenError())
      if (access === 'public') return done()
      if (cookie === undefined) return done(access === 'session' ? new SessionRequiredError() : undefined)

      const verdict = sessions.resolve(cookie, raw.headers.cookie ?? '')
      if (!(verdict instanceof Promise)) return done(admit(verdict, access, check, request, reply))
      verdict.then((found) => done(admit(found, access, check, request, reply)), done)
    }
  }
}

function admit(
  verdict: SessionVerdict,
  access: Access,
  check: DemandCheck | undefined,
  request: FastifyRequest,
  reply: FastifyReply
): Error | undefined {
  switch (verdict.outcome) {
    case 'identified':
      request.identity = verdict.identity
      if (verdict.setCookies.length > 0) reply.header('set-cookie', [...verdict.setCookies])
      return check?.(verdict.identity)
    case 'anonymous':
      return access === 'session' ? new SessionRequiredError() : undefined
    case 'unavailable':
      return sessionReadFailed(verdict.cause)
  }
}
