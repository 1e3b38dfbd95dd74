import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Cors } from './cors.ts'
import { createForward, mountRule } from './forward.ts'
import { createGuard, type GuardOptions } from './guard.ts'
import type { LiveConnection } from './live-connection.ts'
import { type BodyLimits, discardBody } from './request-body.ts'
import { type PrincipalHeader, upstreamFacts } from './request-headers.ts'
import type { PolicyRoute } from './route-policy.ts'
import { createFileHandler, mountFolder } from './static-files.ts'
import type { FolderUpstream, ServerUpstream, Upstreams } from './upstream.ts'

export interface ProxyOptions {
  readonly publicUrl: string
  readonly guard: GuardOptions
  readonly routes: readonly PolicyRoute[]
  readonly upstreams: Upstreams
  /** What upstreams are told about an identified user besides id, email and its verification. */
  readonly principalHeaders: readonly PrincipalHeader[]
  readonly cors: Cors
  readonly limits: BodyLimits
  /** What lasts; whoever closes the gateway ends it. */
  readonly lasting: Set<LiveConnection>
  readonly log: Pick<Logger, 'warn'>
}

/** The scope of everything that is proxied: no body is parsed, every route has the guard in front of it. */
export async function proxyPlugin(scope: FastifyInstance, options: ProxyOptions): Promise<void> {
  const { cors, limits, lasting } = options
  const { fallback, named } = options.upstreams
  scope.removeAllContentTypeParsers()
  scope.addHook('onSend', function discardRefusedBody(request, _reply, payload, done) {
    discardBody(request.raw, limits)
    done(null, payload)
  })
  const guardFor = createGuard(options.guard)
  const mountOn = (upstream: ServerUpstream | FolderUpstream) => {
    if (upstream.kind === 'folder') {
      const serve = createFileHandler(upstream, { cors, limits, log: options.log })
      return (route: PolicyRoute) => mountFolder(scope, route, guardFor(route.rule), serve)
    }
    const facts = upstreamFacts(options.publicUrl, upstream.token, options.principalHeaders)
    const forward = createForward({ upstream, facts, cors, limits, lasting, tie: options.guard.sessions.tie })
    return (route: PolicyRoute) => mountRule(scope, route, guardFor(route.rule), forward, upstream.dispatcher)
  }
  const mountDefault = mountOn(fallback)
  const mountNamed = new Map([...named].map(([name, upstream]) => [name, mountOn(upstream)]))
  for (const route of options.routes) {
    const { upstream } = route.rule
    const mount = upstream === undefined ? mountDefault : mountNamed.get(upstream)
    if (mount === undefined)
      throw new Error(`a rule names the upstream ${JSON.stringify(upstream)}, which is not there`)
    mount(route)
  }
}
