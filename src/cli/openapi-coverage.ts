import { defaultRule, type RouteRule } from '../../proxy/route-rules.ts'
import type { Settings } from '../config/load-settings.ts'
import type { Operation } from './openapi-document.ts'
import { type PathTemplate, pathTemplate } from './path-template.ts'
import { createRouteMatcher, type Routing } from './route-decision.ts'
import { alignColumns, lineOf, type RouteLine, withNeeds } from './routes-table.ts'

/** What decides some of an operation's requests: a rule, the default rule, or the gateway itself. */
export interface Reach extends RouteLine {
  /** The default rule decides, because no rule names the requests. */
  readonly byDefault?: true
}

/** An operation with all that decides who can reach it, which is several rules where rules name values of its parameters. */
export interface CoveredOperation extends Operation {
  readonly reach: readonly Reach[]
  /** What else decides if its last parameter takes several segments; left out where nothing else does. */
  readonly deeper?: readonly Reach[]
}

interface Finding {
  readonly kind: 'open' | 'nobody' | 'unnamed' | 'unused'
  readonly sentence: string
}

/** How the rules of a policy cover the operations of an API. */
export interface Coverage {
  readonly operations: readonly CoveredOperation[]
  readonly findings: readonly Finding[]
}

// Paths that FastAPI serves and does not list in its document.
const ownPages = ['/docs', '/docs/oauth2-redirect', '/redoc', '/openapi.json']

/**
 * Holds a policy against the operations of an API, with the matcher that the gateway uses. `also` are paths that the
 * document does not list and rules may be about, such as those of WebSockets.
 */
export async function coverageOf(
  settings: Routing & { readonly policy: Pick<Settings['policy'], 'routes' | 'auth' | 'pages'> },
  operations: readonly Operation[],
  also: readonly string[] = []
): Promise<Coverage> {
  const { routes } = settings.policy
  const rulePaths = routes.map(({ path }) => path)
  const decide = createRouteMatcher(settings)
  const used = new Set<RouteRule>()
  const findings: Finding[] = []
  const covered: CoveredOperation[] = []
  const listed = operations.map((operation) => ({ operation, template: pathTemplate(operation.path) }))

  for (const [index, { operation, template }] of listed.entries()) {
    const { method, path, secured, optional = false } = operation
    const rivals = listed.filter((other) => other.operation.method === method && other.template !== template)
    // Starlette takes the first route that fits.
    const earlier = rivals.filter((other) => listed.indexOf(other) < index)
    const near = await reachOf(method, without(template.instances(rulePaths), earlier))
    const far = await reachOf(method, without(template.instances(rulePaths, true), rivals))
    for (const rule of near.rules) used.add(rule)
    const known = new Set(near.reach.map((one) => JSON.stringify(one)))
    const deeper = far.reach.filter((one) => !known.has(JSON.stringify(one)))
    covered.push({ ...operation, reach: near.reach, ...(deeper.length === 0 ? {} : { deeper }) })

    const name = `${method} ${path}`
    const farther = far.rules.filter((rule) => !near.rules.includes(rule))
    for (const rule of secured ? [...near.rules, ...farther].filter(isOpen) : []) {
      const condition = near.rules.includes(rule) ? '' : ' if its last parameter takes several segments'
      const sentence = `${name}: FastAPI declares it secured, the rule ${rule.path} makes it ${rule.access}${condition}`
      findings.push({ kind: 'open', sentence })
    }
    for (const rule of optional ? near.rules.filter(({ access }) => access === 'public') : []) {
      const sentence = `${name}: FastAPI asks who is there, the rule ${rule.path} makes it public, so it is told of nobody`
      findings.push({ kind: 'nobody', sentence })
    }
    if (near.rules.includes(defaultRule))
      findings.push({ kind: 'unnamed', sentence: `${name}: no rule names it, so it needs a session` })
  }

  for (const path of [...ownPages, ...also])
    for (const rule of (await reachOf('GET', pathTemplate(path).instances(rulePaths))).rules) used.add(rule)
  for (const rule of routes) {
    // A rule that names an upstream is about paths that are not in FastAPI's document.
    if (used.has(rule) || rule.upstream !== undefined) continue
    const scope = rule.methods === undefined ? '' : `${rule.methods.join(', ')} `
    findings.push({ kind: 'unused', sentence: `the rule ${scope}${rule.path} (${rule.access}) decides no operation` })
  }
  return { operations: covered, findings }

  async function reachOf(method: string, paths: readonly string[]): Promise<{ rules: RouteRule[]; reach: Reach[] }> {
    const rules = new Set<RouteRule>()
    const others = new Map<string, Reach>()
    for (const path of paths) {
      const decision = await decide(method, path.split('/').map(encodeURIComponent).join('/'))
      if (decision.kind === 'rule') rules.add(decision.rule)
      else
        others.set(
          JSON.stringify(decision),
          decision.kind === 'own'
            ? { path: decision.path, methods: 'any', access: 'gateway' }
            : { path, methods: 'any', access: 'refused' }
        )
    }
    const byRules = [...rules].map((rule): Reach => {
      return rule === defaultRule ? { ...lineOf(rule), byDefault: true } : lineOf(rule)
    })
    return { rules: [...rules], reach: [...byRules, ...others.values()] }
  }
}

function without(paths: readonly string[], others: readonly { template: PathTemplate }[]): string[] {
  return paths.filter((path) => !others.some(({ template }) => template.matches(path)))
}

function isOpen({ access }: RouteRule): boolean {
  return access === 'public' || access === 'optional'
}

/** The operations as a table for a terminal, a line for each rule that decides some of its requests, then the findings. */
export function coverageTable({ operations, findings }: Coverage): string[] {
  const rows = operations.flatMap(({ method, path, operationId, secured, optional, reach }) =>
    reach.map((one) => {
      const rule = one.byDefault === true ? '(no rule)' : withNeeds(one.path, one)
      const declared = secured ? 'secured' : optional === true ? 'optional' : ''
      return [one.access, method, path, rule, declared, operationId ?? '']
    })
  )
  const said = findings.length === 0 ? ['nothing to mend'] : findings.map(({ sentence }) => `! ${sentence}`)
  return [...alignColumns(rows), '', ...said]
}
