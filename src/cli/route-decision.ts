import { fastify } from 'fastify'
import { methods } from '../../auth/http-methods.ts'
import { liesUnder } from '../../auth/own-paths.ts'
import { canonicalTarget } from '../../proxy/canonical-path.ts'
import { defaultRule, type RouteRule, routerOptions } from '../../proxy/route-rules.ts'
import type { Config } from '../config/environment.ts'
import { reservedPaths, type Settings } from '../config/load-settings.ts'
import { ownPathsOf } from '../policy-file.ts'

/** What the gateway does with a request before it looks at any credential. */
export type Decision =
  | { kind: 'refused'; status: number; code: string; reason: string }
  /** The gateway answers by itself, under this path. */
  | { kind: 'own'; path: string }
  | { kind: 'rule'; rule: RouteRule }

/** What a decision depends on. */
export type Routing = Pick<Settings, 'routes'> & {
  readonly config: Pick<Config, 'pages' | 'publicHealthPath'>
  readonly policy: Pick<Settings['policy'], 'auth' | 'pages'>
}

/** Finds what decides a request, with the router and the reading of the path that the gateway uses. */
export function createRouteMatcher(routing: Routing): (method: string, target: string) => Promise<Decision> {
  const { publicHealthPath } = routing.config
  const reserved = reservedPaths(routing.config, ownPathsOf(routing.policy))
  const router = fastify({ exposeHeadRoutes: false, routerOptions })
  let matched = defaultRule
  for (const { url, methods, rule } of routing.routes)
    router.route({
      method: [...methods],
      url,
      handler: async () => {
        matched = rule
        return ''
      }
    })

  return async function decide(method, target) {
    const known = methods.find((name) => name === method)
    if (known === undefined) return refused(405, 'METHOD_NOT_ALLOWED', `only ${methods.join(', ')} are proxied`)
    const canonical = canonicalTarget(target)
    if (canonical === null) return refused(400, 'PATH_AMBIGUOUS', 'the path could be read in two ways')
    const path = canonical.split('?')[0] ?? canonical
    const own = reserved.find((prefix) => path === prefix || (prefix !== publicHealthPath && liesUnder(path, prefix)))
    if (own !== undefined) return { kind: 'own', path: own }
    matched = defaultRule
    await router.inject({ method: known, url: canonical })
    return { kind: 'rule', rule: matched }
  }
}

function refused(status: number, code: string, reason: string): Decision {
  return { kind: 'refused', status, code, reason }
}
