import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type FastifyInstance, fastify } from 'fastify'
import type { Logger } from 'pino'
import { AuthBodyTooLargeError } from '../auth/errors.ts'
import { type PagesOptions, pagesPlugin } from '../auth/pages/plugin.ts'
import { type AuthRoutesOptions, authRoutes } from '../auth/routes.ts'
import { createAdmission, rewriteUrl } from '../proxy/admission.ts'
import { createCors } from '../proxy/cors.ts'
import { CookieAmbiguousError } from '../proxy/errors.ts'
import { sessionCookieOf } from '../proxy/guard.ts'
import { type ProxyOptions, proxyPlugin } from '../proxy/plugin.ts'
import { discardBody, expectsContinue, hasBody, limitedBody } from '../proxy/request-body.ts'
import { routerOptions } from '../proxy/route-policy.ts'
import { routeUpgrades } from '../proxy/websocket.ts'
import { withoutSchemas } from './admin.ts'
import { hangUp } from './hang-up.ts'
import { createNaming } from './named-request.ts'
import { createAwaitTurn } from './pipelining.ts'
import { createRefuse, problemOf, rawProblem } from './problem.ts'
import type { Readiness } from './readiness.ts'
import { createRefusal } from './refusal.ts'
import { createExchangeLog, followResponses } from './response-log.ts'
import { trustedProxies } from './trusted-proxies.ts'

export interface AppOptions {
  /** The public listener, already bound, so that the public origin is known. */
  readonly server: Server
  readonly log: Logger
  readonly readiness: Readiness
  readonly publicHealthPath: string | undefined
  /** The built-in pages; undefined leaves `/auth/*` to the upstream, and refusals as they are to programs. */
  readonly pages: PagesOptions | undefined
  readonly allowedHosts: readonly string[]
  readonly trustedOrigins: readonly string[]
  /** Addresses and CIDRs. */
  readonly trustedProxies: readonly string[]
  readonly auth: AuthRoutesOptions
  readonly proxy: Omit<ProxyOptions, 'cors' | 'onOutcome' | 'isTrusted'>
}

/** The public side of the gateway. What stands here from top to bottom is what happens to a request, in that order. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { server, log, readiness, proxy } = options
  const cors = createCors(options.trustedOrigins)
  const isTrusted = trustedProxies(options.trustedProxies)
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
    trustProxy: options.trustedProxies.length > 0 ? (address) => isTrusted(address) : false,
    rewriteUrl,
    exposeHeadRoutes: false,
    routerOptions,
    schemaController: withoutSchemas,
    clientErrorHandler(error, socket) {
      if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
      else refuseRaw(socket, codeOfConnectionError(error))
    }
  })
  app.decorateRequest('identity', null)
  const unfollow = followResponses(server, exchanges.finished)
  app.setErrorHandler(options.pages === undefined ? createRefuse(log) : createRefusal(options.pages, log))

  // 1. One request of a connection at a time, and one reading of it, or none.
  app.addHook('onRequest', createAwaitTurn())
  app.addHook('onRequest', createAdmission({ publicUrl: proxy.publicUrl, allowedHosts: options.allowedHosts }))
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
    if (cors.active) {
      reply.headers(pairs(cors.headers(request.raw)))
      reply.header('Vary', [reply.getHeader('vary'), 'Origin'].filter(Boolean).join(', '))
    }
    done(null, payload)
  })
  app.addHook('onClose', async () => unfollow())

  // 2. What a platform asks that can reach only one port.
  if (options.publicHealthPath !== undefined) {
    app.get(options.publicHealthPath, { config: { anyHost: true } }, async function answerHealth(_request, reply) {
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
    scope.addHook('onRequest', function requireOneCookie(request, _reply, done) {
      try {
        sessionCookieOf(request.raw, proxy.guard.sessionCookie)
        done()
      } catch (error) {
        done(error instanceof Error ? error : new CookieAmbiguousError())
      }
    })
    scope.addHook('preParsing', function limitBody(request, reply, payload, done) {
      if (!hasBody(request.raw)) return done(null, payload)
      const { bodyLimit } = request.routeOptions
      const limits = { ...proxy.limits, maxBytes: Math.max(proxy.limits.maxBytes, bodyLimit) }
      // Before anything is read, and before a client that waits for `100 Continue` is told to go on. What it sends all the
      // same is let pass by, so that it gets to read its answer.
      if (Number(request.headers['content-length'] ?? 0) > bodyLimit) {
        discardBody(request.raw, limits)
        return done(new AuthBodyTooLargeError())
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
function createRawRefusal(log: Logger): (socket: Duplex, code: Parameters<typeof rawProblem>[0]) => void {
  return function refuseRaw(socket, code) {
    const requestId = randomUUID()
    if (!hangUp(socket, rawProblem(code, requestId))) return
    log.info({ requestId, status: problemOf(code, requestId).status, code, outcome: 'finished' }, 'request')
  }
}

function codeOfConnectionError({ code }: NodeJS.ErrnoException): Parameters<typeof rawProblem>[0] {
  if (code === 'HPE_HEADER_OVERFLOW') return 'HEADERS_TOO_LARGE'
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'REQUEST_TIMEOUT' : 'REQUEST_MALFORMED'
}

function pairs(flat: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let i = 0; i < flat.length; i += 2) headers[flat[i] ?? ''] = flat[i + 1] ?? ''
  return headers
}
