import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type FastifyInstance, fastify } from 'fastify'
import type { Logger } from 'pino'
import { type AuthRoutesOptions, authRoutes } from '../auth/auth-routes.ts'
import { type PagesOptions, pagesPlugin } from '../auth/pages/pages-plugin.ts'
import { Refusal, refusals } from '../auth/refusals.ts'
import { createCors } from '../proxy/cors.ts'
import { respondAndClose } from '../proxy/lingering-close.ts'
import { type ProxyOptions, proxyPlugin } from '../proxy/proxy-plugin.ts'
import { discardBody, expectsContinue, hasBody, limitedBody } from '../proxy/request-body.ts'
import { createAwaitTurn, createRequestValidation, rewriteUrl } from '../proxy/request-validation.ts'
import { routerOptions } from '../proxy/route-policy.ts'
import { routeUpgrades } from '../proxy/websocket-upgrade.ts'
import type { Config } from './config/config.ts'
import { createErrorHandler, createPageErrorHandler } from './refusals/error-handler.ts'
import { rawProblemResponse } from './refusals/problem-response.ts'
import { createExchangeLog, createNaming, followResponses } from './server/access-log.ts'
import type { Readiness } from './server/admin-server.ts'
import { trustedProxies } from './server/listeners.ts'

export interface AppOptions {
  /** The public listener, already bound, so that the public origin is known. */
  readonly server: Server
  readonly log: Logger
  readonly readiness: Pick<Readiness, 'report' | 'draining'>
  readonly config: Pick<Config, 'publicHealthPath' | 'allowedHosts' | 'trustedOrigins' | 'trustedProxies'>
  /** The built-in pages; undefined leaves `/auth/*` to the upstream, and refusals as they are to programs. */
  readonly pages: PagesOptions | undefined
  /** The session cookie's full name, prefix included. */
  readonly sessionCookie: string
  readonly auth: AuthRoutesOptions
  readonly proxy: Omit<ProxyOptions, 'cors' | 'onOutcome' | 'isTrusted'>
}

/** The public side of the gateway. What stands here from top to bottom is what happens to a request, in that order. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { server, log, readiness, config, proxy, sessionCookie } = options
  const { allowedHosts } = config
  const cors = createCors(config.trustedOrigins)
  const isTrusted = trustedProxies(config.trustedProxies)
  const exchanges = createExchangeLog(log)
  const refuseRaw = createRawRefusal(log)

  const app = fastify({
    serverFactory(handler) {
      server.on('request', handler)
      return server
    },
    // Its own would have a logger and two listeners for every request, for the few that have something to say.
    logger: false,
    genReqId: createNaming(isTrusted, exchanges.aborted),
    trustProxy: config.trustedProxies.length > 0 ? (address) => isTrusted(address) : false,
    rewriteUrl,
    exposeHeadRoutes: false,
    routerOptions,
    clientErrorHandler(error, socket) {
      if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
      else refuseRaw(socket, codeOfConnectionError(error))
    }
  })
  app.decorateRequest('context')
  const unfollow = followResponses(server, exchanges.finished)
  app.setErrorHandler(
    options.pages === undefined ? createErrorHandler(log) : createPageErrorHandler(options.pages, log)
  )

  // 1. One request of a connection at a time, and one reading of it, or none.
  app.addHook('onRequest', createAwaitTurn())
  app.addHook('onRequest', createRequestValidation({ publicUrl: proxy.publicUrl, allowedHosts, sessionCookie }))
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
  app.addHook('onSend', function markReply(request, reply, payload, done) {
    reply.header('X-Request-Id', request.id)
    for (const cookie of request.context.setCookies) reply.header('Set-Cookie', cookie)
    if (cors.active) {
      reply.headers(pairs(cors.headers(request.raw)))
      reply.header('Vary', [reply.getHeader('vary'), 'Origin'].filter(Boolean).join(', '))
    }
    done(null, payload)
  })
  app.addHook('onClose', async () => unfollow())

  // 2. What a platform asks that can reach only one port.
  if (config.publicHealthPath !== undefined) {
    app.get(config.publicHealthPath, { config: { anyHost: true } }, async function answerHealth(_request, reply) {
      const { ready } = await readiness.report()
      return reply
        .code(ready ? 200 : 503)
        .header('Cache-Control', 'no-store')
        .send()
    })
  }

  // 3. BetterAuth, and the built-in pages: nothing that FastAPI serves there may pass for one of them.
  await app.register(async function ownScope(scope) {
    scope.addHook('onRequest', function noticeLeaving({ raw: request }, { raw: response }, done) {
      response.once('close', () => {
        if (!response.writableFinished)
          exchanges.outcome(request, 'client left', response.headersSent ? response.statusCode : undefined)
      })
      done()
    })
    scope.addHook('onRequest', function requireOneCookie({ context }, _reply, done) {
      done(context.cookies.session.kind === 'ambiguous' ? new Refusal('COOKIE_AMBIGUOUS') : undefined)
    })
    scope.addHook('preParsing', function limitBody(request, reply, payload, done) {
      if (!hasBody(request.raw)) return done(null, payload)
      const { bodyLimit } = request.routeOptions
      const limits = { ...proxy.limits, maxBytes: Math.max(proxy.limits.maxBytes, bodyLimit) }
      // Before anything is read, and before a client that waits for `100 Continue` is told to go on. What it sends all the
      // same is let pass by, so that it gets to read its answer.
      if (Number(request.headers['content-length'] ?? 0) > bodyLimit) {
        discardBody(request.raw, limits)
        return done(new Refusal('BODY_TOO_LARGE'))
      }
      try {
        done(null, limitedBody(request.raw, reply.raw, limits))
      } catch (error) {
        done(error instanceof Error ? error : new Error('the body could not be read'))
      }
    })
    await scope.register(authRoutes, options.auth)
    if (options.pages !== undefined) await scope.register(pagesPlugin, options.pages)
  })

  // 4. Everything else: policy, origin, session, headers, FastAPI.
  await app.register(async function proxyScope(scope) {
    await proxyPlugin(scope, { ...proxy, cors, isTrusted, onOutcome: exchanges.outcome })
  })

  server.on('checkContinue', (request, response) => {
    expectsContinue(request)
    app.routing(request, response)
  })
  // Every other expectation goes unmet and unmentioned, as it does with uvicorn.
  server.on('checkExpectation', (request, response) => app.routing(request, response))
  server.on('connect', (_request: IncomingMessage, socket: Socket) => refuseRaw(socket, 'METHOD_NOT_ALLOWED'))
  routeUpgrades(
    server,
    (request, response) => app.routing(request, response),
    (socket) => refuseRaw(socket, 'UPGRADE_UNSUPPORTED'),
    exchanges.finished
  )
  await app.ready()
  return app
}

/** Refuses what is no request, with a line in the log like that of every exchange. */
function createRawRefusal(log: Logger): (socket: Duplex, code: Parameters<typeof rawProblemResponse>[0]) => void {
  return function refuseRaw(socket, code) {
    const requestId = randomUUID()
    if (!respondAndClose(socket, rawProblemResponse(code, requestId))) return
    log.info({ requestId, status: refusals[code][0], code, outcome: 'finished' }, 'request')
  }
}

function codeOfConnectionError({ code }: NodeJS.ErrnoException): Parameters<typeof rawProblemResponse>[0] {
  if (code === 'HPE_HEADER_OVERFLOW') return 'HEADERS_TOO_LARGE'
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'REQUEST_TIMEOUT' : 'REQUEST_MALFORMED'
}

function pairs(flat: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let i = 0; i < flat.length; i += 2) headers[flat[i] ?? ''] = flat[i + 1] ?? ''
  return headers
}
