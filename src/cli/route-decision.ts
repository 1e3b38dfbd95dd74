import { methods } from '../../auth/http-methods.ts'
import { liesUnder } from '../../auth/own-paths.ts'
import { canonicalTarget, isEncodedTwice, readEncodedSlashes } from '../../proxy/canonical-path.ts'
import { createEncodedSlashCheck } from '../../proxy/encoded-slashes.ts'
import { createPolicyRouter } from '../../proxy/policy-router.ts'
import { defaultRule, type RouteRule } from '../../proxy/route-rules.ts'
import { looksForDocument } from '../../proxy/well-known-documents.ts'
import type { Config } from '../config/environment.ts'
import { reservedPaths, type Settings } from '../config/load-settings.ts'
import { ownPathsOf } from '../policy-file.ts'

/** What the gateway does with a request before it looks at any credential. */
export type Decision =
  | { kind: 'refused'; status: number; code: string; reason: string }
  /** The gateway answers by itself, under this path. */
  | { kind: 'own'; path: string }
  /** `documentOnly`: a document is looked for, and without a session there is none. */
  | { kind: 'rule'; rule: RouteRule; documentOnly: boolean }

/** What a decision depends on. */
export type Routing = Pick<Settings, 'routes'> & {
  readonly config: Pick<Config, 'pages' | 'publicHealthPath'>
  readonly policy: Pick<Settings['policy'], 'auth' | 'pages'>
}

/** Finds what decides a request, with the router and the reading of the path that the gateway uses. */
export function createRouteMatcher(routing: Routing): (method: string, target: string) => Promise<Decision> {
  const { publicHealthPath } = routing.config
  const reserved = reservedPaths(routing.config, ownPathsOf(routing.policy))
  const ruleOf = createPolicyRouter(routing.routes)
  const hasOneRule = createEncodedSlashCheck(routing.routes)

  return async function decide(method, target) {
    const known = methods.find((name) => name === method)
    if (known === undefined) return refused(405, 'METHOD_NOT_ALLOWED', `only ${methods.join(', ')} are proxied`)
    const slashes = readEncodedSlashes(target)
    const canonical = canonicalTarget(target) ?? slashes?.parting
    if (canonical === undefined) return refused(400, 'PATH_AMBIGUOUS', 'the path could be read in two ways')
    const path = canonical.split('?')[0] ?? canonical
    const own = reserved.find((prefix) => path === prefix || (prefix !== publicHealthPath && liesUnder(path, prefix)))
    const rule = own === undefined ? (ruleOf(known, canonical) ?? defaultRule) : undefined
    if (slashes !== null && !hasOneRule(known, target, rule)) {
      const within = ruleOf(known, slashes.within)
      return refused(400, 'PATH_AMBIGUOUS', whyNotEncoded(rule, within))
    }
    if (rule === undefined) return { kind: 'own', path: own ?? path }
    if (rule.encodedSlashes === true && isEncodedTwice(canonical))
      return refused(400, 'PATH_AMBIGUOUS', 'the path is percent-encoded twice')
    return { kind: 'rule', rule, documentOnly: looksForDocument(known, canonical) }
  }
}

function whyNotEncoded(parting: RouteRule | undefined, within: RouteRule | undefined): string {
  if (parting === undefined) return 'the path has an encoded slash (%2F), which the gateway itself takes in no path'
  const place = (rule: RouteRule | undefined) =>
    rule === undefined || rule === defaultRule ? 'no rule' : `the rule for ${rule.path}`
  if (parting !== within)
    return `the path has an encoded slash (%2F): as a slash it meets ${place(parting)}, in a segment ${place(within)}`
  return `the path has an encoded slash (%2F), and ${
    parting === defaultRule ? 'no rule names it' : `${place(parting)} does not say encodedSlashes: true`
  }`
}

function refused(status: number, code: string, reason: string): Decision {
  return { kind: 'refused', status, code, reason }
}
