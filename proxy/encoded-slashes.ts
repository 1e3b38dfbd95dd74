import type { Method } from '../auth/http-methods.ts'
import { readEncodedSlashes } from './canonical-path.ts'
import type { PolicyRoute } from './compile-route-rules.ts'
import { createPolicyRouter } from './policy-router.ts'
import type { RouteRule } from './route-rules.ts'

/**
 * Whether the encoded slashes of a path leave one reading of it. `rule` is what the router found where they part segments,
 * and undefined for what the gateway answers itself.
 */
export type EncodedSlashCheck = (method: string, target: string, rule: RouteRule | undefined) => boolean

/**
 * Some servers decode `%2F` and then look for the route, others look for the route and leave it in its segment. A path
 * that has one passes only where both would serve the same rule, and where that rule says `encodedSlashes`: behind
 * `/files/*` a server that decodes would otherwise find `/files/7%2Fadmin` at `/files/:id/admin`.
 */
export function createEncodedSlashCheck(routes: readonly PolicyRoute[]): EncodedSlashCheck {
  const ruleOf = createPolicyRouter(routes)
  return function hasOneRule(method, target, rule) {
    if (rule?.encodedSlashes !== true) return false
    const readings = readEncodedSlashes(target)
    return readings !== null && ruleOf(method as Method, readings.within) === rule // other methods have no routes
  }
}
