import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { LiveConnections } from '../auth/live-connections.ts'
import type { Cors } from './cors.ts'
import { createForward, type OnOutcome } from './forward.ts'
import { createGuard, type GuardOptions } from './guard.ts'
import { mountUpstream } from './mount.ts'
import { type BodyLimits, discardBody } from './request-body.ts'
import {
  type ClientHeaders,
  clientHeaders,
  type HeaderPolicy,
  type PrincipalHeader,
  upstreamFacts
} from './request-headers.ts'
import type { PolicyRoute } from './route-policy.ts'
import { createFileHandler, mountFolder } from './static-files.ts'
import type { FolderUpstream, ServerUpstream, Upstreams } from './upstream/address.ts'

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
