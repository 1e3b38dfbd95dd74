import type { onRequestHookHandler } from 'fastify'
import { requestSource } from '../auth/cross-site.ts'
import { isSafe } from '../auth/http-methods.ts'
import { Refusal, sessionReadFailed } from '../auth/refusals.ts'
import type { SessionResolver } from '../auth/session-resolver.ts'
import type { SessionVerdict } from '../auth/session-verdict.ts'
import { onceLost } from '../auth/undelivered-cookies.ts'
import { isEncodedTwice } from './canonical-path.ts'
import type { RequestContext } from './request-context.ts'
import type { RouteRule } from './route-rules.ts'
import { type RequirementCheck, requirementCheck } from './rule-requirements.ts'
import { isDiscovery } from './well-known-documents.ts'

export interface GuardOptions {
  readonly sessions: SessionResolver
  /** The public origin and the trusted ones. */
  readonly origins: ReadonlySet<string>
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * The hook that every proxied request and upgrade passes: policy, then origin, then session, then what the rule requires
 * beyond one. It answers at once when the session was read a moment ago, and leaves the rule and the identity in
 * `request.context`.
 */
export function createGuard({ sessions, origins, now }: GuardOptions): (rule: RouteRule) => onRequestHookHandler {
  return (rule) => {
    const { access, encodedSlashes } = rule
    const check = requirementCheck(rule, now)
    return function guardRequest({ method, context }, reply, done) {
      context.rule = rule
      if (encodedSlashes === true && isEncodedTwice(context.canonicalTarget)) return done(new Refusal('PATH_AMBIGUOUS'))
      if (access === 'deny') return done(new Refusal('NOT_FOUND'))
      const { headers } = context.raw
      const { session } = context.cookies
      if (session.kind === 'ambiguous') return done(new Refusal('COOKIE_AMBIGUOUS'))
      // An upgrade is a GET that opens a channel for changes. A client that is no browser names no site, and passes.
      const isUnsafe = context.isUpgrade || !isSafe(method)
      if (session.kind === 'present' && isUnsafe && requestSource(headers, origins) === 'foreign')
        return done(new Refusal('ORIGIN_FORBIDDEN'))
      if (access === 'public') return done()
      if (session.kind === 'absent') return done(access === 'session' ? sessionRequired(context) : undefined)

      const verdict = sessions.resolve(session.value, headers.cookie ?? '')
      if (!(verdict instanceof Promise)) return done(refusalFor(verdict, context, rule, check))
      const since = now()
      verdict.then((found) => {
        if (found.outcome === 'identified' && found.setCookies.length > 0)
          onceLost(reply.raw, () => sessions.refreshLost(session.value, since))
        done(refusalFor(found, context, rule, check))
      }, done)
    }
  }
}

function refusalFor(
  verdict: SessionVerdict,
  context: RequestContext,
  { access }: RouteRule,
  check: RequirementCheck | undefined
): Error | undefined {
  switch (verdict.outcome) {
    case 'identified':
      context.identity = verdict.identity
      context.setCookies = verdict.setCookies
      return check?.(verdict.identity)
    case 'anonymous':
      return access === 'session' ? sessionRequired(context) : undefined
    case 'unavailable':
      return sessionReadFailed(verdict.cause)
  }
}

// Programs that look for a document below `/.well-known/` take 401 for a request to sign in, and stop there; 404 tells
// them to go on without it.
function sessionRequired(context: RequestContext): Refusal {
  return new Refusal(isDiscovery(context) ? 'NOT_FOUND' : 'SESSION_REQUIRED')
}
