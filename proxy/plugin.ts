import type { FastifyInstance } from 'fastify'
import type { Dispatcher } from 'undici'
import type { Cors } from './cors.ts'
import { createForward, mountRule } from './forward.ts'
import { createGuard, type GuardOptions } from './guard.ts'
import { type BodyLimits, discardBody } from './request-body.ts'
import { upstreamFacts } from './request-headers.ts'
import type { PolicyRoute } from './route-policy.ts'
import type { UpstreamAddress } from './upstream.ts'
import type { LiveSocket } from './websocket-relay.ts'

export interface ProxyOptions {
  readonly publicUrl: string
  readonly guard: GuardOptions
  readonly routes: readonly PolicyRoute[]
  readonly upstream: {
    readonly address: UpstreamAddress
    readonly dispatcher: Dispatcher
    readonly timeoutMs: number
    readonly token: string | undefined
  }
  readonly cors: Cors
  readonly limits: BodyLimits
  /** The WebSockets that are open; whoever closes the gateway says goodbye to them. */
  readonly liveSockets: Set<LiveSocket>
}

/** The scope of everything that is proxied: no body is parsed, every route has the guard in front of it. */
export async function proxyPlugin(scope: FastifyInstance, options: ProxyOptions): Promise<void> {
  const { upstream, cors, limits, liveSockets } = options
  scope.removeAllContentTypeParsers()
  scope.addHook('onSend', function discardRefusedBody(request, _reply, payload, done) {
    discardBody(request.raw, limits)
    done(null, payload)
  })
  const guardFor = createGuard(options.guard)
  const forward = createForward({
    address: upstream.address,
    dispatcher: upstream.dispatcher,
    timeoutMs: upstream.timeoutMs,
    facts: upstreamFacts(options.publicUrl, upstream.token),
    cors,
    limits,
    liveSockets,
    tie: options.guard.sessions.tie
  })
  for (const route of options.routes) {
    mountRule(scope, route, guardFor(route.rule.access), forward, upstream.dispatcher)
  }
}
