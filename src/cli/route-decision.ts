import { fastify } from 'fastify'
import { methods } from '../../auth/http-methods.ts'
import { canonicalTarget } from '../../proxy/canonical-path.ts'
import {
  type Access,
  compileRules,
  defaultRule,
  demandsInWords,
  type PolicyRoute,
  type RouteRule,
  routerOptions
} from '../../proxy/route-policy.ts'
import type { Config } from '../config/config.ts'
import { reservedPaths, type Settings } from '../config/settings.ts'

/** What the gateway does with one request before anybody is asked who sends it. */
export type Decision =
  | { kind: 'refused'; status: number; code: string; reason: string }
  | { kind: 'own'; path: string }
  | { kind: 'rule'; rule: RouteRule; byDefault: boolean }

const meanings: Readonly<Record<Access, string>> = {
  public: 'forwarded; no session is looked up and no identity is sent',
  optional: 'forwarded; with the identity if there is a session, anonymous otherwise',
  session: 'forwarded with the identity if there is a session; otherwise 401 SESSION_REQUIRED, or the sign-in page',
  deny: '404 NOT_FOUND, whoever asks'
}

/** What decides. */
export type Decided = Pick<Settings, 'routes'> & { readonly config: Pick<Config, 'pages' | 'publicHealthPath'> }

/** Finds the rule that decides a request, with the router and the reading of the path that the gateway uses. */
export async function decide(method: string, target: string, settings: Decided): Promise<Decision> {
  const decider = createDecider(settings)
  try {
    return await decider(method, target)
  } finally {
    await decider.close()
  }
}

/** The same for many requests, until it is closed. */
export interface Decider {
  (method: string, target: string): Promise<Decision>
  close(): Promise<void>
}

export function createDecider(settings: Decided): Decider {
  const router = createRouter(settings.routes)
  const reserved = reservedPaths(settings.config)
  return Object.assign(
    async (method: string, target: string): Promise<Decision> => {
      const known = methods.find((name) => name === method)
      if (known === undefined) return refused(405, 'METHOD_NOT_ALLOWED', `only ${methods.join(', ')} are proxied`)
      const canonical = canonicalTarget(target)
      if (canonical === null) return refused(400, 'PATH_AMBIGUOUS', 'the path could be read in two ways')
      const path = canonical.split('?')[0] ?? canonical
      const own = reserved.find(
        (prefix) => path === prefix || (prefix !== settings.config.publicHealthPath && path.startsWith(`${prefix}/`))
      )
      if (own !== undefined) return { kind: 'own', path: own }
      const rule = await router.match(known, canonical)
      return { kind: 'rule', rule, byDefault: rule === defaultRule }
    },
    { close: () => router.close() }
  )
}

function createRouter(routes: readonly PolicyRoute[]) {
  let decided = defaultRule
  const app = fastify({ exposeHeadRoutes: false, routerOptions })
  for (const route of routes)
    app.route({
      method: [...route.methods],
      url: route.url,
      handler: async () => {
        decided = route.rule
        return ''
      }
    })
  return {
    async match(method: (typeof methods)[number], url: string): Promise<RouteRule> {
      decided = defaultRule
      await app.inject({ method, url })
      return decided
    },
    close: () => app.close()
  }
}

/** The rules that name the request too, and do not decide it because another names it more precisely. */
export async function outranked(
  method: string,
  target: string,
  { config, policy }: Settings,
  winner: RouteRule
): Promise<RouteRule[]> {
  const losers: RouteRule[] = []
  for (const rule of policy.routes) {
    if (rule === winner) continue
    const alone = await decide(method, target, { config, routes: compileRules([rule]).routes })
    if (alone.kind === 'rule' && alone.rule === rule) losers.push(rule)
  }
  return losers
}

/** The decision in words, a line each. */
export function explanation(decision: Decision, losers: readonly RouteRule[] = []): string[] {
  if (decision.kind === 'refused')
    return ['rule    none', `answer  ${decision.status} ${decision.code}: ${decision.reason}`]
  if (decision.kind === 'own') return ['rule    none', `answer  by the gateway itself, under ${decision.path}`]
  const { rule, byDefault } = decision
  return [
    byDefault ? 'rule    none names it, so it needs a session' : `rule    ${nameOf(rule)}`,
    ...losers.map((loser) => `over    ${nameOf(loser)}, which names it less precisely`),
    `access  ${rule.access}`,
    ...demandsInWords(rule).map((demand) => `needs   ${demand}; otherwise 403`),
    ...(rule.keepOpen === true
      ? ['lasts   its response outlasts the session, but not a ban or the end of the user']
      : []),
    ...(rule.upstream === undefined ? [] : [`goes to ${rule.upstream}`]),
    `answer  ${meanings[rule.access]}`
  ]
}

function nameOf({ path, methods: only }: RouteRule): string {
  return `${path} (${only === undefined ? 'any method' : only.join(', ')})`
}

function refused(status: number, code: string, reason: string): Decision {
  return { kind: 'refused', status, code, reason }
}
