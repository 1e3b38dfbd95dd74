import fastifyCookie from '@fastify/cookie'
import type { FastifyPluginCallback } from 'fastify'
import type { AskAuth } from './ask.ts'
import { AuthBodyTooLargeError } from './errors.ts'
import { cookieReading, sendFetchResponse, toFetchRequest } from './fetch-bridge.ts'

export interface AuthRoutesOptions {
  readonly ask: AskAuth
  /** The public origin, without a trailing slash. */
  readonly publicUrl: string
  /** Bytes of a body; 413 past them. Default 1 MiB. */
  readonly maxBodyBytes?: number | undefined
}

/** `/api/auth/*`: BetterAuth, given the raw body and the public origin. Refusals of ours are thrown as coded errors. */
export const authRoutes: FastifyPluginCallback<AuthRoutesOptions> = (app, options, done) => {
  const { ask, publicUrl, maxBodyBytes = 1_048_576 } = options

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
        return sendFetchResponse(await ask(toFetchRequest(request, publicUrl), request.id), reply)
      }
    })
  }
  done()
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}
