import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify'
import type { Logger } from 'pino'
import type { Method } from '../auth/http-methods.ts'
import type { LiveConnections } from '../auth/live-connections.ts'
import type { Cors } from './cors.ts'
import { UpstreamFailedError } from './errors.ts'
import { createForward, type OnOutcome } from './forward.ts'
import { createGuard, type GuardOptions } from './guard.ts'
import { type BodyLimits, discardBody, ignoreContentType } from './request-body.ts'
import {
  type ClientHeaders,
  clientHeaders,
  type HeaderPolicy,
  type PrincipalHeader,
  upstreamFacts
} from './request-headers.ts'
import type { PolicyRoute, RouteRule } from './route-policy.ts'
import { createFileHandler, mountFolder } from './static-files.ts'
import type { FolderUpstream, ServerUpstream, Upstreams } from './upstream/upstream.ts'

export interface ProxyOptions {
  readonly publicUrl: string
  readonly guard: GuardOptions
  readonly routes: readonly PolicyRoute[]
  readonly upstreams: Upstreams
  /** What upstreams are told about an identified user besides id, email and its verification. */
  readonly principalHeaders: readonly PrincipalHeader[]
  /** What else of clients' headers is dropped, and what is passed on. */
  readonly headers: HeaderPolicy
  /** Whether the peer with this address is believed about the trace that a request belongs to. */
  readonly isTrusted: ClientHeaders['isTrusted']
  readonly cors: Cors
  readonly limits: BodyLimits
  /** The connections that last; whoever closes the gateway says goodbye to them. */
  readonly live: LiveConnections
  readonly onOutcome: OnOutcome
  readonly log: Pick<Logger, 'warn'>
}

/** The scope of everything that is proxied: no body is parsed, every route has the guard in front of it. */
export async function proxyPlugin(scope: FastifyInstance, options: ProxyOptions): Promise<void> {
  const { cors, limits, live, onOutcome } = options
  const { tie } = options.guard.sessions
  scope.removeAllContentTypeParsers()
  scope.addHook('onSend', function discardRefusedBody(request, _reply, payload, done) {
    discardBody(request.raw, limits)
    done(null, payload)
  })
  const clients = clientHeaders(options.headers, options.isTrusted)
  const guardFor = createGuard(options.guard)
  for (const [upstream, routes] of byUpstream(options)) {
    if (upstream.kind === 'folder') {
      const serve = createFileHandler(upstream, { cors, limits, live, tie, onOutcome, log: options.log })
      for (const route of routes) mountFolder(scope, route, guardFor(route.rule), serve)
    } else {
      const facts = upstreamFacts(options.publicUrl, upstream.token, options.principalHeaders, clients)
      const forward = createForward({ upstream, facts, cors, limits, live, tie, onOutcome })
      await mountUpstream(scope, routes, guardFor, forward, upstream)
    }
  }
}

function byUpstream({ routes, upstreams }: ProxyOptions): Map<ServerUpstream | FolderUpstream, PolicyRoute[]> {
  const grouped = new Map<ServerUpstream | FolderUpstream, PolicyRoute[]>()
  for (const route of routes) {
    const { upstream: name } = route.rule
    const upstream = name === undefined ? upstreams.fallback : upstreams.named.get(name)
    if (upstream === undefined) throw new Error(`a rule names the upstream ${JSON.stringify(name)}, which is not there`)
    grouped.set(upstream, [...(grouped.get(upstream) ?? []), route])
  }
  return grouped
}

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
