import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import type { Dispatcher } from 'undici'
import { clientAddress } from '../auth/client-address.ts'
import type { SessionResolver } from '../auth/session-resolver.ts'
import type { Cors } from './cors.ts'
import { UpstreamFailedError } from './errors.ts'
import { Exchange } from './exchange.ts'
import type { LiveConnection } from './live-connection.ts'
import { type BodyLimits, hasBody, limitedBody } from './request-body.ts'
import { type UpstreamFacts, upstreamHeaders } from './request-headers.ts'
import { marksOf } from './response-marks.ts'
import type { PolicyRoute } from './route-policy.ts'
import type { ServerUpstream } from './upstream.ts'
import { forwardUpgrade, isUpgrade } from './websocket.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The policy rule that this route stands for. */
    rule?: PolicyRoute['rule']
  }
}

export interface ForwardOptions {
  readonly upstream: ServerUpstream
  readonly facts: UpstreamFacts
  readonly cors: Cors
  readonly limits: BodyLimits
  /** What lasts; whoever closes the gateway ends it. */
  readonly lasting: Set<LiveConnection>
  /** Ties a connection that stays open to the session of an identity; answers how to untie it. */
  readonly tie: SessionResolver['tie']
}

/**
 * Mounts one policy rule: `@fastify/http-proxy` makes the routes and lets bodies through unparsed, the guard stands in
 * front, and our own exchange does the forwarding (`docs/upstream-notes.md` says why).
 */
export function mountRule(
  scope: FastifyInstance,
  { url, methods, rule }: PolicyRoute,
  guard: onRequestHookHandler,
  forward: (request: FastifyRequest, reply: FastifyReply) => void,
  dispatcher: Dispatcher
): void {
  scope.register(async function ruleScope(child) {
    child.addHook('onRequest', guard)
    child.addHook('onRequest', ignoreContentType)
    await child.register(
      httpProxy,
      {
        // Only names the upstream for the library's checks; `forward` knows where to send.
        upstream: 'http://upstream.invalid',
        undici: dispatcher,
        routes: [url],
        httpMethods: [...methods],
        config: { rule },
        // Ahead of its `handler`, which parses three URLs for a destination of its own.
        preHandler: function forwardRequest(request, reply, done) {
          try {
            forward(request, reply)
          } catch (error) {
            done(error instanceof Error ? error : new UpstreamFailedError())
          }
        }
      } as Parameters<typeof httpProxy>[1] & { routes: string[] } /* `routes` is missing from its types */
    )
  })
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

const repeatable = new Set(['GET', 'HEAD', 'OPTIONS'])

/** The handler behind the guard, for requests and upgrades alike. */
export function createForward(options: ForwardOptions): (request: FastifyRequest, reply: FastifyReply) => void {
  const { facts, cors, limits, lasting, tie } = options
  const { address, dispatcher, timeoutMs } = options.upstream

  return function forward(request, reply) {
    const { raw, identity } = request
    const about = { identity, requestId: request.id, clientAddress: clientAddress(request) }
    const headers = upstreamHeaders(raw, facts, about)
    const path = request.originalUrl
    const marks = () => marksOf(request, reply, cors)
    const onStream = identity === null ? undefined : (end: () => void) => tie(identity, end)
    if (isUpgrade(raw)) {
      let untie = () => {}
      const onOpen = (connection: LiveConnection) => {
        lasting.add(connection)
        if (identity !== null) untie = tie(identity, () => connection.end('session ended'))
      }
      const onClose = (connection: LiveConnection) => {
        lasting.delete(connection)
        untie()
      }
      forwardUpgrade({ address, timeoutMs, request, reply, path, headers, marks, onOpen, onClose, onStream })
      return
    }
    const withBody = hasBody(raw)
    const send = {
      path,
      method: raw.method as Dispatcher.HttpMethod, // admission let no other through
      headers,
      body: withBody ? limitedBody(raw, reply.raw, limits) : null
    }
    const mayRepeat = !withBody && repeatable.has(send.method)
    new Exchange({ dispatcher, request, reply, send, marks, limits, repeatable: mayRepeat, onStream }).start()
  }
}
