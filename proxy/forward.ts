import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { clientAddress } from '../auth/client-address.ts'
import { isSafe } from '../auth/http-methods.ts'
import type { Holder, LiveConnections, Outcome } from '../auth/live-connections.ts'
import type { SessionResolver } from '../auth/session-resolver.ts'
import type { Cors } from './cors.ts'
import { HttpForward, type Tie } from './http-forward.ts'
import { type BodyLimits, hasBody, limitedBody } from './request-body.ts'
import { type UpstreamFacts, upstreamHeaders } from './request-headers.ts'
import { marksOf } from './response-headers.ts'
import type { ServerUpstream } from './upstream/upstream.ts'
import { forwardUpgrade, isUpgrade } from './websocket-upgrade.ts'

export interface ForwardOptions {
  readonly upstream: ServerUpstream
  readonly facts: UpstreamFacts
  readonly cors: Cors
  readonly limits: BodyLimits
  readonly live: LiveConnections
  /** Ties a connection that stays open to the session of an identity; answers how to untie it. */
  readonly tie: SessionResolver['tie']
  readonly onOutcome: OnOutcome
}

/** Hears how an exchange ended: one that was forwarded and did not end well, or a WebSocket, however it ended. */
export type OnOutcome = (request: FastifyRequest['raw'], outcome: Outcome, status?: number) => void

/** The handler behind the guard, for requests and upgrades alike. */
export function createForward(options: ForwardOptions): (request: FastifyRequest, reply: FastifyReply) => void {
  const { facts, cors, limits, live, tie } = options
  const { connections } = options.upstream

  return function forward(request, reply) {
    const { raw, identity } = request
    const about = { identity, requestId: request.id, clientAddress: clientAddress(request) }
    const headers = upstreamHeaders(raw, facts, about)
    const upgrade = isUpgrade(raw)
    const withBody = !upgrade && hasBody(raw)
    const common = {
      connections,
      live,
      request,
      reply,
      marks: () => marksOf(request, reply, cors),
      limits,
      holder: holderOf(request),
      tie: identity === null ? undefined : tieOf(tie, identity),
      keepOpen: request.routeOptions.config.rule?.keepOpen === true,
      onOutcome: (outcome: Outcome, status?: number) => options.onOutcome(raw, outcome, status)
    }
    const path = request.originalUrl
    if (upgrade) return forwardUpgrade({ ...common, path, headers })
    const send = {
      path,
      method: raw.method as Dispatcher.HttpMethod, // request validation let no other through
      headers,
      body: withBody ? limitedBody(raw, reply.raw, limits) : null
    }
    new HttpForward({ ...common, send, repeatable: !withBody && isSafe(send.method) }).start()
  }
}

/** Who holds what this request opens: its session, or the address of a stranger. */
export function holderOf(request: FastifyRequest): Holder {
  const { identity } = request
  return identity === null
    ? { name: clientAddress(request), isSession: false }
    : { name: identity.sessionId, isSession: true }
}

function tieOf(tie: SessionResolver['tie'], identity: NonNullable<FastifyRequest['identity']>): Tie {
  return (end, tieOptions) => tie(identity, end, tieOptions)
}
