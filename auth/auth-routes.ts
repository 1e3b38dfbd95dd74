import fastifyCookie from '@fastify/cookie'
import type { FastifyPluginCallback } from 'fastify'
import { codeOf } from '../db/error-code.ts'
import { type BodyLimitsByPath, bodyLimitsByPath, defaultAuthBodyBytes, nestsDeeper } from './body-limits.ts'
import type { CallAuth } from './call-better-auth.ts'
import { clientAddress } from './client-address.ts'
import { createQuestionAddress, type QuestionOptions } from './confirm-mailed-link.ts'
import { cookieReading, sendFetchResponse, toFetchRequest } from './fetch-bridge.ts'
import { methods } from './http-methods.ts'
import type { RateLimits } from './rate-limit.ts'
import { Refusal } from './refusals.ts'

export interface AuthRoutesOptions {
  readonly callAuth: CallAuth
  /** The public origin, without a trailing slash. */
  readonly publicUrl: string
  /** The path that BetterAuth is below. */
  readonly basePath: string
  readonly limits: Pick<RateLimits, 'admit'>
  /** Given where the built-in pages are there to ask before a mailed link is spent for somebody who has no session. */
  readonly asksStrangers?: Omit<QuestionOptions, 'basePath'> | undefined
  /** The most bytes of a body; 413 past them. Default 64 KiB. */
  readonly maxBodyBytes?: number | undefined
  /** `bodies` of the policy file: paths with limits of their own. */
  readonly bodies?: BodyLimitsByPath | undefined
  /**
   * Told where a client left before it was answered: its `Cookie` header, the `Set-Cookie` values that it never got, and when
   * its request began, in ms since the epoch.
   */
  readonly onLost?: ((cookieHeader: string, setCookies: readonly string[], since: number) => void) | undefined
}

// The JSON that BetterAuth and its plugins expect is two or three levels deep. Parsing and checking deeper JSON takes more
// than linear time.
const maxJsonDepth = 64

/** What is below `basePath`: BetterAuth, called with the raw body and the public origin. The gateway's own refusals are thrown. */
export const authRoutes: FastifyPluginCallback<AuthRoutesOptions> = (app, options, done) => {
  const {
    callAuth,
    publicUrl,
    basePath,
    limits,
    asksStrangers,
    maxBodyBytes = defaultAuthBodyBytes,
    bodies = {},
    onLost
  } = options
  const questionAddress = asksStrangers && createQuestionAddress({ ...asksStrangers, basePath })

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
        const question = questionAddress?.(request)
        if (question !== undefined) return reply.code(303).header('location', question).send()
        const since = Date.now()
        const response = await callAuth(toFetchRequest(request, publicUrl), request.id)
        if (reply.raw.destroyed) onLost?.(request.headers.cookie ?? '', response.headers.getSetCookie(), since)
        return sendFetchResponse(response, reply)
      }
    })
  }
  done()
}
