import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify'
import type { Logger } from 'pino'
import type { Dispatcher } from 'undici'
import type { PrincipalHeader } from '../auth/additional-fields.ts'
import { isSafe, type Method } from '../auth/http-methods.ts'
import { Refusal } from '../auth/refusals.ts'
import type { PolicyRoute } from './compile-route-rules.ts'
import { createGuard, type GuardOptions } from './guard.ts'
import { type ForwardServices, HttpForward } from './http-forward.ts'
import { discardBody, hasBody, ignoreContentType, limitedBody } from './request-body.ts'
import { createUpstreamHeaders, type HeaderPolicy } from './request-headers.ts'
import { defaultRule, type RouteRule } from './route-rules.ts'
import { createFileHandler, mountFolder } from './static-files.ts'
import type { FolderUpstream, ServerUpstream, Upstreams } from './upstream/upstream-kinds.ts'
import { forwardUpgrade } from './websocket-forward.ts'

export interface ProxyOptions extends Omit<ForwardServices, 'tie'> {
  readonly publicUrl: string
  readonly guard: GuardOptions
  readonly routes: readonly PolicyRoute[]
  readonly upstreams: Upstreams
  /** What upstreams are told about an identified user besides id, email and its verification. */
  readonly principalHeaders: readonly PrincipalHeader[]
  /** What else of clients' headers is dropped, and what is passed on. */
  readonly headers: HeaderPolicy
  /** Whether the peer with this address is believed about the trace that a request belongs to. */
  readonly isTrusted: (address: string | undefined) => boolean
  /** Answers with documents of BetterAuth's plugins where no rule names the path. */
  readonly documents: onRequestHookHandler | undefined
  readonly log: Pick<Logger, 'warn'>
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => void

/** The scope of everything that is proxied: no body is parsed, every route has the guard in front of it. */
export async function proxyPlugin(scope: FastifyInstance, options: ProxyOptions): Promise<void> {
  const { publicUrl, principalHeaders, headers: policy, isTrusted, documents, log } = options
  const services: ForwardServices = { ...options, tie: options.guard.sessions.tie }
  scope.removeAllContentTypeParsers()
  scope.addHook('onSend', function discardRefusedBody(request, _reply, payload, done) {
    discardBody(request.raw, services.limits)
    done(null, payload)
  })
  const guardFor = createGuard(options.guard)
  const hooksFor = (rule: RouteRule) =>
    documents !== undefined && rule === defaultRule ? [documents, guardFor(rule)] : [guardFor(rule)]
  for (const [upstream, routes] of routesByUpstream(options)) {
    if (upstream.kind === 'folder') {
      const serve = createFileHandler(upstream, { ...services, log })
      for (const route of routes) mountFolder(scope, route, guardFor(route.rule), serve)
    } else {
      const { token } = upstream
      const upstreamHeaders = createUpstreamHeaders({ publicUrl, token, principalHeaders, policy, isTrusted })
      await mountServer(scope, upstream, routes, hooksFor, createForward(upstream, upstreamHeaders, services))
    }
  }
}

function routesByUpstream({ routes, upstreams }: ProxyOptions): Map<ServerUpstream | FolderUpstream, PolicyRoute[]> {
  return Map.groupBy(routes, ({ rule: { upstream: name } }) => {
    const upstream = name === undefined ? upstreams.default : upstreams.named.get(name)
    if (upstream === undefined) throw new Error(`a rule names the upstream ${JSON.stringify(name)}, which is not there`)
    return upstream
  })
}

// The handler behind the guard, for requests and upgrades alike.
function createForward(
  { connections }: ServerUpstream,
  upstreamHeaders: ReturnType<typeof createUpstreamHeaders>,
  services: ForwardServices
): Handler {
  return function forward({ context }, reply) {
    const { raw, target: path } = context
    const headers = upstreamHeaders(context)
    if (context.isUpgrade) {
      forwardUpgrade(context, reply, { connections, headers }, services)
      return
    }
    const method = raw.method as Dispatcher.HttpMethod // request validation let no other through
    const body = hasBody(raw) ? limitedBody(raw, reply.raw, services.limits) : null
    const send = { path, method, headers, body }
    const request = { connections, send, repeatable: body === null && isSafe(method) }
    new HttpForward(context, reply, request, services).start()
  }
}

/**
 * Mounts the rules that lead to one server: `@fastify/http-proxy` makes the routes and lets bodies through unparsed, each
 * has its rule's guard in front of it, and the forwarding is ours (`docs/upstream-notes.md` says why).
 */
async function mountServer(
  scope: FastifyInstance,
  upstream: ServerUpstream,
  routes: readonly PolicyRoute[],
  hooksFor: (rule: RouteRule) => onRequestHookHandler[],
  forward: Handler
): Promise<void> {
  // `@fastify/http-proxy` takes each pattern once: rules of one pattern, which differ by their methods, are registered apart.
  for (const batch of distinctPatterns(routes)) {
    const byUrl = new Map(batch.map((route) => [route.url, route]))
    await scope.register(async function serverScope(child) {
      child.addHook('onRoute', function applyRule(route: RouteOptions) {
        const policy = byUrl.get(route.url)
        if (policy === undefined) throw new Error(`no rule stands for the route ${route.url}`)
        route.method = [...policy.methods]
        route.config = { ...route.config, rule: policy.rule }
        route.onRequest = [...hooksFor(policy.rule), ignoreContentType]
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
              done(error instanceof Error ? error : new Refusal('UPSTREAM_FAILED'))
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

function distinctPatterns(routes: readonly PolicyRoute[]): Iterable<PolicyRoute[]> {
  const seen = new Map<string, number>()
  return Map.groupBy(routes, ({ url }) => {
    const index = seen.get(url) ?? 0
    seen.set(url, index + 1)
    return index
  }).values()
}
