import findMyWay from 'find-my-way'
import type { Method } from '../auth/http-methods.ts'
import { type PolicyRoute, routerOptions } from './compile-route-rules.ts'
import type { RouteRule } from './route-rules.ts'

/**
 * Fastify's router by itself: answers which rule stands for a canonical target, without a request. Undefined for a method
 * that is not served.
 */
export function createPolicyRouter(
  routes: readonly PolicyRoute[]
): (method: Method, canonicalTarget: string) => RouteRule | undefined {
  const router = findMyWay(routerOptions)
  for (const { url, methods, rule } of routes) router.on([...methods], url, () => {}, { rule })
  return (method, canonicalTarget) => router.find(method, canonicalTarget)?.store?.rule
}
