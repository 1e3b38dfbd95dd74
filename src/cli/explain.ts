import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { readPrincipalHeaders } from '../../auth/additional-fields.ts'
import { readCookieHeader } from '../../auth/cookie-header.ts'
import type { Identity } from '../../auth/session-verdict.ts'
import { compileRules } from '../../proxy/compile-route-rules.ts'
import { createUpstreamHeaders } from '../../proxy/request-headers.ts'
import { type Access, defaultRule, type RouteRule } from '../../proxy/route-rules.ts'
import { requirementCheck, requirementsInWords } from '../../proxy/rule-requirements.ts'
import { ConfigError, publicUrlOf } from '../config/environment.ts'
import type { Settings } from '../config/load-settings.ts'
import type { PolicyConfig } from '../policy-file.ts'
import { createRouteMatcher } from './route-decision.ts'
import type { JarVerdict } from './session-in-cookie-jar.ts'

/** Who sends a request: the user of a session, a client without one, or a user of whom nothing is known. */
type Sender = Identity | 'anonymous' | 'some user'

// What a rule of each access answers, and who is taken for the sender where no cookie jar tells; without: nothing is forwarded.
const outcomes: Readonly<Record<Access, { answer: string; sender?: Sender }>> = {
  public: { answer: 'forwarded; no session is looked up and no identity is sent', sender: 'anonymous' },
  optional: {
    answer: 'forwarded; with the identity if there is a session, anonymous otherwise',
    sender: 'some user'
  },
  session: {
    answer: 'forwarded with the identity if there is a session; otherwise 401 SESSION_REQUIRED, or the sign-in page',
    sender: 'some user'
  },
  deny: { answer: '404 NOT_FOUND, whoever asks' }
}

/**
 * Says in lines which rule decides a request, which less precise rules cover it too, what the answer is with the cookies
 * of a jar, and what the server behind the gateway receives. `given` is a path, or an address, of which only the path
 * counts. Throws a ConfigError when there is no path or the jar cannot be read.
 */
export async function explain(
  method: string,
  given: string,
  settings: Settings,
  cookieJar: string | undefined
): Promise<string[]> {
  // A URL parser would resolve dot segments, which the gateway refuses.
  const target = given.replace(/^https?:\/\/[^/?#]+/i, '') || '/'
  if (given === '' || !target.startsWith('/'))
    throw new ConfigError(['PATH: must begin with "/", as in /users/7?tab=posts'])
  const decision = await createRouteMatcher(settings)(method, target)
  if (decision.kind === 'refused')
    return ['rule    none', `answer  ${decision.status} ${decision.code}: ${decision.reason}`]
  if (decision.kind === 'own') return ['rule    none', `answer  by the gateway itself, under ${decision.path}`]

  const { rule, documentOnly } = decision
  const outcome = outcomes[rule.access]
  const answer =
    documentOnly && rule.access === 'session'
      ? 'forwarded with the identity if there is a session; otherwise 404 NOT_FOUND'
      : outcome.answer
  const lines = [
    `rule    ${ruleInWords(rule)}`,
    ...(await outranked(method, target, settings, rule)).map(
      (loser) => `over    ${nameOf(loser)}, which names it less precisely`
    ),
    `access  ${rule.access}`,
    ...requirementsInWords(rule).map((demand) => `needs   ${demand}; otherwise 403`),
    ...(rule.keepOpen === true
      ? ['lasts   its response outlasts the session, but not a ban or the end of the user']
      : []),
    ...(rule.encodedSlashes === true ? ['takes   an encoded slash (%2F) too, where it leads to no other rule'] : []),
    ...(rule.upstream === undefined ? [] : [`goes to ${rule.upstream}`]),
    `answer  ${answer}`
  ]
  if (cookieJar === undefined) return [...lines, ...receivedLines(settings, rule, outcome.sender)]
  const { judgeJar } = await import('./session-in-cookie-jar.ts')
  const verdict = await judgeJar(cookieJar, settings)
  const { sentence, sender } = outcomeOf(rule, verdict, documentOnly)
  lines.push(`cookie  ${verdict.outcome}: ${verdict.why}`, `result  ${sentence}`)
  return [...lines, ...receivedLines(settings, rule, sender)]
}

/** What the rule answers to the session of a jar, and who sends the request; no sender where nothing is forwarded. */
function outcomeOf(
  rule: RouteRule,
  { outcome, identity }: JarVerdict,
  documentOnly: boolean
): { sentence: string; sender?: Sender } {
  const { access } = rule
  const anonymously = { sentence: 'forwarded without an identity', sender: 'anonymous' } as const
  if (outcome === 'ambiguous') return { sentence: '400 COOKIE_AMBIGUOUS' }
  if (access === 'deny') return { sentence: '404 NOT_FOUND' }
  if (access === 'public') return anonymously
  if (identity !== undefined) {
    const refusal = requirementCheck(rule, Date.now)?.(identity)
    if (refusal !== undefined) return { sentence: `403 ${refusal.message}` }
    return { sentence: 'forwarded with the identity', sender: identity }
  }
  if (outcome === 'unavailable') return { sentence: 'not known: the session could not be read' }
  if (access === 'optional') return anonymously
  return { sentence: documentOnly ? '404 NOT_FOUND' : '401 SESSION_REQUIRED' }
}

/** Which rule decides, in words. */
export function ruleInWords(rule: RouteRule): string {
  return rule === defaultRule ? 'none names it, so it needs a session' : nameOf(rule)
}

function nameOf({ path, methods }: RouteRule): string {
  return `${path} (${methods === undefined ? 'any method' : methods.join(', ')})`
}

/** The rules that cover the request too, and do not decide it because the winner is more precise. */
async function outranked(
  method: string,
  target: string,
  { config, policy }: Settings,
  winner: RouteRule
): Promise<RouteRule[]> {
  const losers: RouteRule[] = []
  for (const rule of policy.routes) {
    if (rule === winner) continue
    const alone = await createRouteMatcher({ config, policy, routes: compileRules([rule]).routes })(method, target)
    if (alone.kind === 'rule' && alone.rule === rule) losers.push(rule)
  }
  return losers
}

// Stands for a user of whom the command knows nothing.
const someUser = (policy: PolicyConfig): Identity => ({
  userId: 'x',
  email: 'x',
  emailVerified: false,
  sessionId: 'x',
  name: 'x',
  signedInAt: 0,
  role: 'x',
  roles: [],
  impersonatedBy: 'x',
  told: Object.fromEntries(readPrincipalHeaders(policy).fields.map(({ header }) => [header, 'x']))
})

/**
 * The headers that the gateway itself adds for the server behind a rule, a line each; none where nothing is forwarded.
 * Secrets are named and not shown.
 */
function receivedLines({ config, policy }: Settings, rule: RouteRule, sender: Sender | undefined): string[] {
  if (sender === undefined) return []
  const spec = rule.upstream === undefined ? config.upstream : policy.upstreams[rule.upstream]
  if (typeof spec === 'object' && 'directory' in spec) return ['sends   nothing: the gateway reads the file itself']
  const token = typeof spec === 'object' && spec.token !== undefined ? '(not shown)' : undefined
  const upstreamHeaders = createUpstreamHeaders({
    publicUrl: publicUrlOf(config),
    token,
    principalHeaders: policy.principalHeaders
  })
  const headers = upstreamHeaders({
    raw: new IncomingMessage(new Socket()),
    id: '(one of its own)',
    clientAddress: "(the client's address)",
    identity: sender === 'anonymous' ? null : sender === 'some user' ? someUser(policy) : sender,
    cookies: readCookieHeader(undefined, '')
  })
  return headers.flatMap((name, at) => {
    if (at % 2 === 1) return []
    const unknown = sender === 'some user' && /^X-(User|Session)-/.test(name)
    return [`sends   ${name}: ${unknown ? '(of whoever is signed in)' : headers[at + 1]}`]
  })
}
