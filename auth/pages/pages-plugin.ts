import fastifyCookie from '@fastify/cookie'
import fastifyHelmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import type { CallAuth } from '../auth-handler.ts'
import { clientAddress } from '../client-address.ts'
import { requestSource } from '../cross-site.ts'
import { cookieReading } from '../fetch-bridge.ts'
import { isRead, isSafe } from '../http-methods.ts'
import type { LiveConnections } from '../live-connections.ts'
import type { RateLimits } from '../rate-limit.ts'
import { Refusal } from '../refusals.ts'
import { accountRoutes } from './account-routes.ts'
import { deviceEvents } from './devices.ts'
import { createPutQuestion } from './form-submission.ts'
import { featuresOf, goTo, type PageContext } from './page-context.ts'
import { helmetOptions } from './security-headers.ts'
import { entranceRoutes, resetRoutes } from './sign-in-routes.ts'
import { assetsPath } from './theme.ts'

export interface PagesOptions extends Omit<PageContext, 'features' | 'put'> {
  readonly callAuth: CallAuth
  readonly publicSignUp: boolean
  readonly limits: Pick<RateLimits, 'admit'>
  /** Bytes of a form; 413 past them. */
  readonly maxBodyBytes: number
  /** Told of every event stream, so that whoever closes the gateway can end it. */
  readonly openStreams: LiveConnections
}

const yearSeconds = 31_536_000

/** `/auth/*`: the pages for people. Nothing of it is proxied, whether there is such a page or not. */
export async function pagesPlugin(app: FastifyInstance, options: PagesOptions): Promise<void> {
  const { publicUrl, theme, limits, maxBodyBytes } = options
  const ownOrigin = new Set([publicUrl])
  const features = await featuresOf(options.auth, options.publicSignUp)
  const context: PageContext = { ...options, features, put: createPutQuestion(options.callAuth, publicUrl) }

  app.addHook('onRoute', function limitForms(route) {
    route.bodyLimit ??= maxBodyBytes
  })
  await app.register(fastifyHelmet, helmetOptions(publicUrl))
  await app.register(fastifyCookie, cookieReading)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    function parseForm(_request, body, parsed) {
      parsed(null, new URLSearchParams(String(body)))
    }
  )

  app.addHook('onRequest', async function limitAddress(request) {
    // The pages' own files cost next to nothing to read, and every page brings several.
    if (!isRead(request.method) || !request.url.startsWith(assetsPath)) await limits.admit(clientAddress(request))
  })
  app.addHook('onRequest', function refuseForeignForms(request, reply, done) {
    reply.header('cache-control', 'no-store')
    // Whoever is signed in, a foreign form could sign them in to somebody else's account. Browsers always name the site.
    const ownForm = isSafe(request.method) || requestSource(request.headers, ownOrigin) === 'trusted'
    done(ownForm ? undefined : new Refusal('ORIGIN_FORBIDDEN'))
  })

  const aliases = loopbackAliases(publicUrl)
  app.addHook('onRequest', function moveToPublicOrigin(request, reply, done) {
    // Under another name of this machine cookies and forms would be those of another site.
    const elsewhere = aliases.has(request.headers.host?.toLowerCase() ?? '')
    if (!elsewhere || request.method !== 'GET' || request.url.startsWith(assetsPath)) return done()
    goTo(reply, publicUrl + request.url)
  })

  app.get(`${assetsPath}:name`, function sendAsset(request, reply) {
    const { name = '' } = request.params as { name?: string } // the route's own parameter
    const asset = theme.assets.get(name)
    if (asset === undefined) throw new Refusal('NOT_FOUND')
    const { v } = request.query as { v?: unknown } // Fastify's parser makes an object
    const cache = v === asset.version ? `public, max-age=${yearSeconds}, immutable` : 'no-cache'
    return reply.header('cache-control', cache).type(asset.type).send(asset.bytes)
  })

  entranceRoutes(app, context)
  accountRoutes(app, context)
  deviceEvents(app, context, options.openStreams)
  if (features.resetPassword) resetRoutes(app, context)

  app.all('/auth', function openAccount(request, reply) {
    return request.method === 'GET' ? goTo(reply, '/auth/account') : noPage()
  })
  app.all('/auth/*', function withoutSlash(request, reply) {
    const { pathname, search } = new URL(request.url, publicUrl)
    return request.method === 'GET' && pathname.endsWith('/') ? goTo(reply, pathname.slice(0, -1) + search) : noPage()
  })
}

// Only of loopback: a proxy in front may well ask under a name that is not the public one.
function loopbackAliases(publicUrl: string): ReadonlySet<string> {
  const { hostname, port } = new URL(publicUrl)
  const names = ['localhost', '127.0.0.1', '[::1]']
  if (!names.includes(hostname)) return new Set()
  return new Set(names.filter((name) => name !== hostname).map((name) => (port === '' ? name : `${name}:${port}`)))
}

function noPage(): never {
  throw new Refusal('NOT_FOUND')
}
