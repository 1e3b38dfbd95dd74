import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { readCookieHeader } from '../../auth/cookie-header.ts'
import type { Identity } from '../../auth/session-validation.ts'
import { createUpstreamHeaders } from '../../proxy/request-headers.ts'
import type { Access, RouteRule } from '../../proxy/route-policy.ts'
import { ConfigError } from '../config/config.ts'
import type { Settings } from '../config/settings.ts'
import { decide, explanation, outranked } from './route-decision.ts'

// Whom a rule lets through when no jar says who asks.
const askers: Readonly<Record<Access, Asker | undefined>> = {
  public: 'stranger',
  optional: 'somebody',
  session: 'somebody',
  deny: undefined
}

/**
 * Says in lines which rule decides a request and over which others, what it comes to with the cookies of a jar, and what
 * the server behind the gateway receives. Of a whole address the path counts. Throws a ConfigError when there is no path
 * or the jar cannot be read.
 */
export async function explain(
  method: string,
  given: string,
  settings: Settings,
  cookieJar: string | undefined
): Promise<string[]> {
  // Not by a URL parser, which would resolve the dots that the gateway refuses.
  const target = given.replace(/^https?:\/\/[^/?#]+/i, '') || '/'
  if (given === '' || !target.startsWith('/'))
    throw new ConfigError(['PATH: must begin with "/", as in /users/7?tab=posts'])
  const decision = await decide(method, target, settings)
  if (decision.kind !== 'rule') return explanation(decision)
  const { rule } = decision
  const lines = explanation(decision, await outranked(method, target, settings, rule))
  let asker: Asker | undefined = askers[rule.access]
  if (cookieJar !== undefined) {
    const { judgeJar, outcomeOf } = await import('./cookie-jar-session.ts')
    const verdict = await judgeJar(cookieJar, settings)
    const outcome = outcomeOf(rule, verdict)
    lines.push(`cookie  ${verdict.outcome}: ${verdict.why}`, `result  ${outcome.sentence}`)
    asker = outcome.asker
  }
  return asker === undefined ? lines : [...lines, ...receivedLines(settings, rule, asker)]
}

/** Whose request it is: nobody's, somebody's whom the command knows, or somebody's whom it does not. */
export type Asker = Identity | 'stranger' | 'somebody'

// Stands where the command knows only that there is a user.
const someone: Identity = {
  userId: 'x',
  email: 'x',
  emailVerified: false,
  sessionId: 'x',
  name: 'x',
  signedInAt: 0,
  role: 'x',
  roles: [],
  impersonatedBy: 'x'
}

/** The headers that the gateway itself adds for the server behind a rule, in words, a line each. Secrets are named and not shown. */
export function receivedLines({ config, policy }: Settings, rule: RouteRule, asker: Asker): string[] {
  const spec = rule.upstream === undefined ? undefined : policy.upstreams[rule.upstream]
  if (typeof spec === 'object' && 'directory' in spec) return ['sends   nothing: the gateway reads the file itself']
  const token = spec === undefined ? config.upstream.token : typeof spec === 'string' ? undefined : spec.token
  const publicUrl = config.publicUrl ?? `http://localhost:${config.port}`
  const headers = createUpstreamHeaders({
    publicUrl,
    token: token === undefined ? undefined : '(not shown)',
    principalHeaders: policy.principalHeaders
  })({
    raw: new IncomingMessage(new Socket()),
    id: '(one of its own)',
    clientAddress: "(the client's address)",
    identity: asker === 'stranger' ? null : asker === 'somebody' ? someone : asker,
    cookies: readCookieHeader(undefined, '')
  })
  const lines: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const own = asker === 'somebody' && /^X-(User|Session)-/.test(name)
    lines.push(`sends   ${name}: ${own ? '(of whoever is signed in)' : headers[at + 1]}`)
  }
  return lines
}
