import fastifyCookie from '@fastify/cookie'
import type { FastifyPluginCallback } from 'fastify'
import { watchStoreFailures } from '../db/failure-scope.ts'
import { describeError } from './auth-logger.ts'
import type { Auth } from './better-auth.ts'
import { AuthBodyTooLargeError, AuthFailedError, RateLimitedError, SessionStoreUnavailableError } from './errors.ts'
import { cookieReading, sendFetchResponse, toFetchRequest } from './fetch-bridge.ts'
import type { RateLimits } from './rate-limit.ts'
import type { Turns } from './turns.ts'

export interface AuthRoutesOptions {
  readonly auth: Pick<Auth, 'handler'>
  /** The public origin, without a trailing slash. */
  readonly publicUrl: string
  readonly limits: RateLimits
  /** The turns of everything that hashes a password. */
  readonly passwordTurns: Turns
  /** Bytes of a body; 413 past them. Default 1 MiB. */
  readonly maxBodyBytes?: number | undefined
}

/** `/api/auth/*`: BetterAuth, given the raw body and the public origin. Refusals of ours are thrown as coded errors. */
export const authRoutes: FastifyPluginCallback<AuthRoutesOptions> = (app, options, done) => {
  const { auth, publicUrl, limits, passwordTurns, maxBodyBytes = 1_048_576 } = options

  app.register(fastifyCookie, cookieReading)

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, function keepBytes(_request, body, parsed) {
    parsed(null, body)
  })

  app.addHook('onRequest', function forbidCaching(_request, reply, next) {
    reply.header('cache-control', 'no-store')
    next()
  })

  app.setErrorHandler(function nameBodyLimit(error, _request, _reply) {
    throw codeOf(error) === 'FST_ERR_CTP_BODY_TOO_LARGE' ? new AuthBodyTooLargeError() : error
  })

  for (const url of ['/api/auth', '/api/auth/*']) {
    app.route({
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      url,
      bodyLimit: maxBodyBytes,
      exposeHeadRoute: false,
      handler: async function answer(request, reply) {
        const asking = () => limits.run(() => ask(toFetchRequest(request, publicUrl)))
        // BetterAuth hashes a new user's password inside a transaction: waiting there, sixty sign-ups at once held every
        // connection for seconds, and sessions could not be looked up meanwhile. So they wait before it begins.
        const response = await (request.url.startsWith('/api/auth/sign-up') ? passwordTurns(asking) : asking())
        return sendFetchResponse(response, reply)

        async function ask(question: Request): Promise<Response> {
          const asked = await watchStoreFailures(() => auth.handler(question))
          // BetterAuth answers 401 or 500 to some failed queries, and clears cookies: an outage must sign nobody out.
          if (asked.storeFailed) throw new SessionStoreUnavailableError()
          if (asked.ok) return refuseIfLimited(asked.result)
          if (asked.error instanceof RateLimitedError) throw asked.error
          request.log.error({ failure: describeError(asked.error) }, 'auth: a request failed')
          throw new AuthFailedError()
        }
      }
    })
  }
  done()
}

function refuseIfLimited(response: Response): Response {
  if (response.status !== 429) return response
  throw new RateLimitedError(Number(response.headers.get('x-retry-after')) || 1)
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}
