import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Logger } from 'pino'
import { type AuthRoutesOptions, authRoutes } from '../auth/auth-routes.ts'
import { type PagesOptions, pagesPlugin } from '../auth/pages/pages-plugin.ts'
import { Refusal, type RefusalCode, refusals } from '../auth/refusals.ts'
import { respondAndClose } from '../proxy/close-connection.ts'
import { createCors, exposedBesides } from '../proxy/cors.ts'
import { addToVary } from '../proxy/list-headers.ts'
import { type ProxyOptions, proxyPlugin } from '../proxy/proxy-plugin.ts'
import { discardBody, expectsContinue, hasBody, limitedBody } from '../proxy/request-body.ts'
import { createAwaitTurn, createRequestValidation, rewriteUrl } from '../proxy/request-validation.ts'
import { routerOptions } from '../proxy/route-rules.ts'
import { routeUpgrades } from '../proxy/websocket-upgrade-routing.ts'
import type { Config } from './config/environment.ts'
import { createErrorHandler } from './refusals/error-handler.ts'
import { rawProblemResponse } from './refusals/problem-response.ts'
import { createAccessLog, type Exchange } from './server/access-log.ts'
import { type Readiness, withoutSchemas } from './server/admin-server.ts'
import { trustedProxies } from './server/listeners.ts'

export interface AppOptions {
  /** The public listener; the app answers its requests whether or not it is bound yet. */
  readonly server: Server
  readonly log: Logger
  readonly readiness: Pick<Readiness, 'report' | 'draining'>
  readonly config: Pick<Config, 'publicHealthPath' | 'allowedHosts' | 'trustedOrigins' | 'trustedProxies'>
  /** The built-in pages; undefined leaves their paths to the upstream, and refusals as they are to programs. */
  readonly pages: PagesOptions | undefined
  /** The session cookie's full name, prefix included. */
  readonly sessionCookie: string
  readonly auth: AuthRoutesOptions
  readonly proxy: Omit<ProxyOptions, 'cors' | 'onOutcome' | 'isTrusted'>
  /**
   * Given by `gatehouse dev` alone: told of every exchange, in place of the log, with the request, whose context is missing
   * where it was cut off at once.
   */
  readonly onExchange?: ((exchange: Exchange, request: FastifyRequest | undefined) => void) | undefined
}

/** The public side of the gateway. What stands here from top to bottom is what happens to a request, in that order. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { server, log, readiness, config, pages, sessionCookie, proxy } = options
  const { allowedHosts, publicHealthPath } = config
  const isTrusted = trustedProxies(config.trustedProxies)
  const cors = createCors(config.trustedOrigins)
  const { onExchange } = options
  const requests = new WeakMap<IncomingMessage, FastifyRequest>()
  const accessLog = createAccessLog(
    server,
    log,
    isTrusted,
    options.auth.basePath,
    onExchange && ((raw, exchange) => onExchange(exchange, requests.get(raw)))
  )

  // Refuses what is no request that Fastify could answer, with the same line in the access log.
  function refuseRaw(socket: Duplex, code: RefusalCode): void {
    const requestId = randomUUID()
    if (!respondAndClose(socket, rawProblemResponse(code, requestId))) return
    log.info({ requestId, status: refusals[code][0], code, outcome: 'finished' }, 'request')
  }

  const app = fastify({
    serverFactory(handler) {
      server.on('request', handler)
      return server
    },
    // Fastify would make a logger and two listeners for every request; the access log needs neither.
    logger: false,
    genReqId: accessLog.requestId,
    trustProxy: config.trustedProxies.length > 0 && isTrusted,
    rewriteUrl,
    exposeHeadRoutes: false,
    routerOptions,
    schemaController: withoutSchemas,
    clientErrorHandler(error, socket) {
      if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
      else refuseRaw(socket, codeOfConnectionError(error))
    }
  })
  app.decorateRequest('context')
  app.setErrorHandler(createErrorHandler(log, pages))
  app.addHook('onClose', async function stopAccessLog() {
    accessLog.stop()
  })

  if (onExchange !== undefined) {
    app.addHook('onRequest', function remember(request, _reply, done) {
      requests.set(request.raw, request)
      done()
    })
  }
  // 1. Pipelined requests wait for each other, and a request that can be read in two ways is refused.
  app.addHook('onRequest', createAwaitTurn())
  app.addHook('onRequest', createRequestValidation({ ...proxy, allowedHosts, sessionCookie }))
  app.addHook('onRequest', function endKeepAliveWhenDraining(_request, reply, done) {
    if (readiness.draining) reply.raw.shouldKeepAlive = false
    done()
  })
  app.addHook('onRequest', function answerPreflight(request, reply, done) {
    if (!cors.isPreflight(request.raw)) return done()
    reply
      .code(204)
      .headers(pairs(cors.preflightHeaders(request.raw)))
      .send()
  })
  app.addHook('onSend', function addResponseHeaders(request, reply, payload, done) {
    reply.header('X-Request-Id', request.id)
    for (const cookie of request.context.setCookies) reply.header('Set-Cookie', cookie)
    if (cors.active) {
      const corsHeaders = cors.headers(request.raw)
      if (corsHeaders.length > 0) {
        // BetterAuth's plugins have headers of their own that scripts read.
        const exposed = exposedBesides(linesOf(reply, 'access-control-expose-headers'))
        reply.headers({ ...pairs(corsHeaders), 'Access-Control-Expose-Headers': exposed })
      }
      const vary = linesOf(reply, 'vary')
      addToVary(vary, 'Origin')
      reply.header('Vary', vary.join(', '))
    }
    done(null, payload)
  })

  // 2. The health check of a platform that can reach only this port.
  if (publicHealthPath !== undefined) {
    app.get(publicHealthPath, { config: { anyHost: true } }, async function answerHealth(_request, reply) {
      const { ready } = await readiness.report()
      return reply
        .code(ready ? 200 : 503)
        .header('Cache-Control', 'no-store')
        .send()
    })
  }

  // 3. BetterAuth and the built-in pages, ahead of the policy: no path of theirs ever reaches the upstream.
  await app.register(async function ownRoutes(scope) {
    scope.addHook('onRequest', function logEarlyClose({ raw: request }, { raw: response }, done) {
      response.once('close', () => {
        if (!response.writableFinished)
          accessLog.outcome(request, 'client left', response.headersSent ? response.statusCode : undefined)
      })
      done()
    })
    scope.addHook('onRequest', function requireOneSessionCookie({ context }, _reply, done) {
      done(context.cookies.session.kind === 'ambiguous' ? new Refusal('COOKIE_AMBIGUOUS') : undefined)
    })
    scope.addHook('preParsing', async function limitBody(request, reply, payload) {
      if (!hasBody(request.raw)) return payload
      const { bodyLimit } = request.routeOptions
      const limits = { ...proxy.limits, maxBytes: Math.max(proxy.limits.maxBytes, bodyLimit) }
      // Refused before anything is read, and before a client that waits for `100 Continue` is told to go on. A client that
      // sends its body all the same gets to read the refusal only if the body is read and dropped.
      if (Number(request.headers['content-length'] ?? 0) > bodyLimit) {
        discardBody(request.raw, limits)
        throw new Refusal('BODY_TOO_LARGE')
      }
      return limitedBody(request.raw, reply.raw, limits)
    })
    await scope.register(authRoutes, options.auth)
    if (pages !== undefined) await scope.register(pagesPlugin, pages)
  })

  // 4. Everything else: policy, origin, session, headers, FastAPI.
  await app.register(async function proxyScope(scope) {
    await proxyPlugin(scope, { ...proxy, cors, isTrusted, onOutcome: accessLog.outcome })
  })

  // 5. What Node hands over by other events than `request`.
  const route = (request: IncomingMessage, response: ServerResponse) => app.routing(request, response)
  server.on('checkContinue', (request, response) => {
    expectsContinue(request)
    route(request, response)
  })
  // An expectation that the gateway does not know is ignored, as uvicorn does.
  server.on('checkExpectation', route)
  server.on('connect', (_request: IncomingMessage, socket: Socket) => refuseRaw(socket, 'METHOD_NOT_ALLOWED'))
  routeUpgrades(server, route, (socket) => refuseRaw(socket, 'UPGRADE_UNSUPPORTED'), accessLog.finished)
  await app.ready()
  return app
}

function codeOfConnectionError({ code }: NodeJS.ErrnoException): RefusalCode {
  if (code === 'HPE_HEADER_OVERFLOW') return 'HEADERS_TOO_LARGE'
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'REQUEST_TIMEOUT' : 'REQUEST_MALFORMED'
}

/** The lines of a header that is set already. */
function linesOf(reply: FastifyReply, name: string): string[] {
  return [reply.getHeader(name) ?? []].flat().map(String)
}

/** Flat name/value pairs as an object. */
function pairs(flat: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let i = 0; i < flat.length; i += 2) headers[flat[i] ?? ''] = flat[i + 1] ?? ''
  return headers
}
