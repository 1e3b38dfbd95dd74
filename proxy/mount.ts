import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify'
import { UpstreamFailedError } from './errors.ts'
import type { Method, PolicyRoute, RouteRule } from './route-policy.ts'
import type { ServerUpstream } from './upstream/address.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The policy rule that this route stands for. */
    rule?: PolicyRoute['rule']
  }
}

/**
 * Mounts all rules that lead to one upstream: `@fastify/http-proxy` makes the routes and lets bodies through unparsed,
 * each has its rule's guard in front of it, and the forwarding is ours (`docs/upstream-notes.md` says why).
 */
export async function mountUpstream(
  scope: FastifyInstance,
  routes: readonly PolicyRoute[],
  guardFor: (rule: RouteRule) => onRequestHookHandler,
  forward: (request: FastifyRequest, reply: FastifyReply) => void,
  upstream: ServerUpstream
): Promise<void> {
  // Where rules of one pattern differ by their methods, the library is told of the pattern once for each.
  for (const batch of distinctPatterns(routes)) {
    const byUrl = new Map(batch.map((route) => [route.url, route]))
    await scope.register(async function upstreamScope(child) {
      child.addHook('onRoute', function applyRule(route: RouteOptions) {
        const policy = byUrl.get(route.url)
        if (policy === undefined) throw new Error(`no rule stands for the route ${route.url}`)
        route.method = [...policy.methods]
        route.config = { ...route.config, rule: policy.rule }
        route.onRequest = [guardFor(policy.rule), ignoreContentType]
      })
      await child.register(
        httpProxy,
        {
          upstream: upstream.address.origin,
          routes: [...byUrl.keys()],
          httpMethods: batch[0] === undefined ? [] : [...batch[0].methods],
          // Ahead of the library's own handler, which parses three URLs for a destination of its own.
          preHandler: function forwardRequest(request, reply, done) {
            try {
              forward(request, reply)
            } catch (error) {
              done(error instanceof Error ? error : new UpstreamFailedError())
            }
          }
        } as Parameters<typeof httpProxy>[1] & {
          routes: string[]
          httpMethods: Method[]
        } /* `routes` is missing from its types */
      )
    })
  }
}

function distinctPatterns(routes: readonly PolicyRoute[]): PolicyRoute[][] {
  const batches: PolicyRoute[][] = []
  const seen = new Map<string, number>()
  for (const route of routes) {
    const index = seen.get(route.url) ?? 0
    seen.set(route.url, index + 1)
    const batch = batches[index] ?? []
    batches[index] = batch
    batch.push(route)
  }
  return batches
}

/**
 * A hook for routes that parse nothing: Fastify answers 415 to a media type that it cannot parse. The upstream gets the
 * header as it came, out of `rawHeaders`.
 */
export function ignoreContentType(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const { headers } = request.raw
  if (headers['content-type'] !== undefined) headers['content-type'] = undefined
  done()
}
