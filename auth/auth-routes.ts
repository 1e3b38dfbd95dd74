import fastifyCookie from '@fastify/cookie'
import type { FastifyPluginCallback } from 'fastify'
import { codeOf } from '../db/type-guards.ts'
import { type BodyLimitsByPath, bodyLimitsByPath, defaultAuthBodyBytes, nestsDeeper } from './body-limits.ts'
import type { CallAuth } from './call-better-auth.ts'
import { clientAddress } from './client-address.ts'
import { cookieReading, sendFetchResponse, toFetchRequest } from './fetch-bridge.ts'
import { methods } from './http-methods.ts'
import type { RateLimits } from './rate-limit.ts'
import { Refusal } from './refusal-table.ts'

export interface AuthRoutesOptions {
  readonly callAuth: CallAuth
  /** The public origin, without a trailing slash. */
  readonly publicUrl: string
  /** The path that BetterAuth is below. */
  readonly basePath: string
  readonly limits: Pick<RateLimits, 'admit'>
  /** The most bytes of a body; 413 past them. Default 64 KiB. */
  readonly maxBodyBytes?: number | undefined
  /** `bodies` of the policy file: paths with limits of their own. */
  readonly bodies?: BodyLimitsByPath | undefined
}

// The JSON that BetterAuth and its plugins expect is two or three levels deep. Parsing and checking deeper JSON takes more
// than linear time.
const maxJsonDepth = 64

/** What is below `basePath`: BetterAuth, called with the raw body and the public origin. The gateway's own refusals are thrown. */
export const authRoutes: FastifyPluginCallback<AuthRoutesOptions> = (app, options, done) => {
  const { callAuth, publicUrl, basePath, limits, maxBodyBytes = defaultAuthBodyBytes, bodies = {} } = options

  app.register(fastifyCookie, cookieReading)

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, function keepBytes(request, body, parsed) {
    const json = request.headers['content-type']?.toLowerCase().includes('json') === true
    if (json && Buffer.isBuffer(body) && nestsDeeper(body, maxJsonDepth)) parsed(new Refusal('REQUEST_INVALID'))
    else parsed(null, body)
  })

  app.addHook('onRequest', async function limitAddress(request) {
    const [path = ''] = request.url.split('?', 1)
    await limits.admit(clientAddress(request), path.slice(basePath.length))
  })
  app.addHook('onRequest', function forbidCaching(_request, reply, next) {
    reply.header('cache-control', 'no-store')
    next()
  })

  app.setErrorHandler(function nameBodyLimit(error, _request, _reply) {
    throw codeOf(error) === 'FST_ERR_CTP_BODY_TOO_LARGE' ? new Refusal('BODY_TOO_LARGE') : error
  })

  const general = { [basePath]: maxBodyBytes, [`${basePath}/*`]: maxBodyBytes }
  const byPath = bodyLimitsByPath(basePath, maxBodyBytes, bodies)
  for (const [url, bodyLimit] of Object.entries({ ...general, ...byPath })) {
    app.route({
      method: [...methods],
      url,
      bodyLimit,
      exposeHeadRoute: false,
      async handler(request, reply) {
        return sendFetchResponse(await callAuth(toFetchRequest(request, publicUrl), request.id), reply)
      }
    })
  }
  done()
}
