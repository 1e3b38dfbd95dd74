import { defaultRule, type RouteRule } from '../../proxy/route-policy.ts'
import type { Settings } from '../config/settings.ts'
import type { Operation } from './openapi-document.ts'
import { pathTemplate } from './path-template.ts'
import { createRouteMatcher, type Decision, type Routing } from './route-decision.ts'
import { lineOf, type RouteLine, whereOf } from './routes-table.ts'

/** What decides about some requests of an operation: a rule, the default that stands for none, or the gateway itself. */
export interface Reach extends RouteLine {
  /** No rule names them. */
  readonly byDefault?: true
}

/** An operation with everything that decides who can reach it: several rules where they name values of its parameters. */
export interface CoveredOperation extends Operation {
  readonly reach: readonly Reach[]
  /** What decides besides, if its last parameter takes several segments; left out where that changes nothing. */
  readonly deeper?: readonly Reach[]
}

/** What a policy and an API have to say to each other. Findings are sentences. */
export interface Coverage {
  readonly operations: readonly CoveredOperation[]
  readonly findings: readonly { readonly kind: 'open' | 'unnamed' | 'unused'; readonly sentence: string }[]
}

// What FastAPI serves beside its operations, and lists nowhere.
const ownPages = ['/docs', '/docs/oauth2-redirect', '/redoc', '/openapi.json']

/**
 * Holds a policy against the operations of an API, with the matcher that the gateway uses. `also` are paths that the
 * document does not list and rules may be about, such as those of WebSockets.
 */
export async function coverageOf(
  settings: Routing & { readonly policy: Pick<Settings['policy'], 'routes'> },
  operations: readonly Operation[],
  also: readonly string[] = []
): Promise<Coverage> {
  const { routes } = settings.policy
  const rulePaths = routes.map(({ path }) => path)
  const decide = createRouteMatcher(settings)
  const used = new Set<RouteRule>()
  const listed = operations.map((operation) => ({ operation, template: pathTemplate(operation.path) }))

  async function reachOf(
    method: string,
    instances: readonly string[]
  ): Promise<{ rules: RouteRule[]; reach: Reach[] }> {
    const rules = new Set<RouteRule>()
    const others = new Map<string, Reach>()
    for (const instance of instances) {
      const decision = await decide(method, instance.split('/').map(encodeURIComponent).join('/'))
      if (decision.kind === 'rule') rules.add(decision.rule)
      else others.set(JSON.stringify(decision), withoutRule(decision, instance))
    }
    const byRules = [...rules].map((rule) => ({
      ...lineOf(rule),
      ...(rule === defaultRule ? { byDefault: true as const } : {})
    }))
    return { rules: [...rules], reach: [...byRules, ...others.values()] }
  }

  const findings: { kind: 'open' | 'unnamed' | 'unused'; sentence: string }[] = []
  const covered: CoveredOperation[] = []
  for (const [index, { operation, template }] of listed.entries()) {
    const { method, path, secured } = operation
    const rivals = listed.filter((other) => other.operation.method === method && other.template !== template)
    // Starlette takes the first that fits.
    const earlier = rivals.filter((other) => listed.indexOf(other) < index)
    const own = template
      .instances(rulePaths)
      .filter((instance) => !earlier.some((other) => other.template.matches(instance)))
    const far = template
      .instances(rulePaths, true)
      .filter((instance) => !rivals.some((other) => other.template.matches(instance)))
    const near = await reachOf(method, own)
    for (const rule of near.rules) used.add(rule)
    const beyond = await reachOf(method, far)
    const deeper = beyond.reach.filter((one) => !near.reach.some((other) => same(one, other)))
    covered.push({ ...operation, reach: near.reach, ...(deeper.length === 0 ? {} : { deeper }) })

    const name = `${method} ${path}`
    if (secured) {
      for (const { access, path: rule } of near.rules.filter(isOpen))
        findings.push({
          kind: 'open',
          sentence: `${name}: FastAPI declares it secured, the rule ${rule} makes it ${access}`
        })
      for (const { access, path: rule } of beyond.rules.filter((one) => isOpen(one) && !near.rules.includes(one)))
        findings.push({
          kind: 'open',
          sentence: `${name}: FastAPI declares it secured, the rule ${rule} makes it ${access} if its last parameter takes several segments`
        })
    }
    if (near.rules.includes(defaultRule))
      findings.push({ kind: 'unnamed', sentence: `${name}: no rule names it, so it needs a session` })
  }

  for (const path of [...ownPages, ...also]) {
    const { instances } = pathTemplate(path)
    for (const rule of (await reachOf('GET', instances(rulePaths))).rules) used.add(rule)
  }
  for (const rule of routes) {
    // What goes elsewhere is no business of this document.
    if (used.has(rule) || rule.upstream !== undefined) continue
    const scope = rule.methods === undefined ? '' : `${rule.methods.join(', ')} `
    findings.push({ kind: 'unused', sentence: `the rule ${scope}${rule.path} (${rule.access}) decides no operation` })
  }
  return { operations: covered, findings }
}

function isOpen({ access }: RouteRule): boolean {
  return access === 'public' || access === 'optional'
}

function same(one: Reach, other: Reach): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function withoutRule(decision: Exclude<Decision, { kind: 'rule' }>, path: string): Reach {
  if (decision.kind === 'own') return { path: decision.path, methods: 'any', access: 'gateway' }
  return { path, methods: 'any', access: 'refused' }
}

/** The operations as a table for a terminal, a line for each rule that decides some of its requests, then the findings. */
export function coverageTable({ operations, findings }: Coverage): string[] {
  const rows = operations.flatMap(({ method, path, operationId, secured, reach }) =>
    reach.map((one) => [
      one.access,
      method,
      path,
      one.byDefault === true ? '(no rule)' : whereOf(one),
      secured ? 'secured' : '',
      operationId ?? ''
    ])
  )
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)))
  return [
    ...rows.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()
    ),
    '',
    ...(findings.length === 0 ? ['nothing to mend'] : findings.map(({ sentence }) => `! ${sentence}`))
  ]
}
