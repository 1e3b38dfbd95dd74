import fastifyCookie from '@fastify/cookie'
import fastifyHelmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import type { CallAuth } from '../call-better-auth.ts'
import { clientAddress } from '../client-address.ts'
import { requestSource } from '../cross-site.ts'
import { cookieReading } from '../fetch-bridge.ts'
import { isRead } from '../http-methods.ts'
import type { LiveConnections } from '../live-connection-limits.ts'
import type { RateLimits } from '../rate-limit.ts'
import { Refusal } from '../refusals.ts'
import { accountRoutes } from './account.ts'
import type { DevelopmentPages } from './development-pages.ts'
import { deviceEventStream } from './device-event-stream.ts'
import { forgottenPasswordRoutes } from './forgotten-password.ts'
import { createAskAuth } from './form-submission.ts'
import { mailedLinkRoutes } from './mailed-links.ts'
import { featuresOf } from './offered-features.ts'
import { type PageContext, redirect } from './page-helpers.ts'
import { secondFactorRoutes } from './second-factor.ts'
import { helmetOptions } from './security-headers.ts'
import { signInRoutes } from './sign-in.ts'
import { signOutRoutes } from './sign-out.ts'
import { signUpRoutes } from './sign-up.ts'

export interface PagesOptions extends Omit<PageContext, 'features' | 'submitForm' | 'openLink'> {
  readonly callAuth: CallAuth
  readonly publicSignUp: boolean
  readonly limits: Pick<RateLimits, 'admit'>
  /** Bytes of a form; 413 past them. */
  readonly maxBodyBytes: number
  /** Counts every event stream, and ends them when the gateway closes. */
  readonly openStreams: LiveConnections
  /** Given by `gatehouse dev` and by nothing else, so that no setting of a deployment makes these pages. */
  readonly development?: DevelopmentPages | undefined
}

/** The built-in pages, all below one path. A path under it that has no page is a 404, and is never proxied. */
export async function pagesPlugin(app: FastifyInstance, options: PagesOptions): Promise<void> {
  const { publicUrl, addresses, callAuth, basePath, theme, limits, maxBodyBytes } = options
  const ownOrigin = new Set([publicUrl])
  const features = await featuresOf(options.auth, options.publicSignUp)
  const context: PageContext = { ...options, features, ...createAskAuth(callAuth, publicUrl, basePath) }

  app.addHook('onRoute', function limitForms(route) {
    route.bodyLimit ??= maxBodyBytes
  })
  await app.register(fastifyHelmet, helmetOptions(publicUrl, addresses.assets))
  await app.register(fastifyCookie, cookieReading)
  app.removeAllContentTypeParsers()
  const parseForm = async (_request: unknown, body: string | Buffer) => new URLSearchParams(String(body))
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, parseForm)

  app.addHook('onRequest', async function admit(request, reply) {
    const reads = isRead(request.method)
    // Assets do not count: reading one costs next to nothing, and every page loads several.
    if (!reads || !request.url.startsWith(addresses.assets)) await limits.admit(clientAddress(request))
    reply.header('cache-control', 'no-store')
    if (!reads && requestSource(request.headers, ownOrigin) !== 'trusted') throw new Refusal('ORIGIN_FORBIDDEN')
  })

  const aliases = loopbackAliases(publicUrl)
  app.addHook('onRequest', function moveToPublicOrigin(request, reply, done) {
    // Browsers keep cookies by host name: under another name of this machine nobody would be signed in.
    const isAlias = aliases.has(request.headers.host?.toLowerCase() ?? '')
    if (!isAlias || request.method !== 'GET' || request.url.startsWith(addresses.assets)) return done()
    redirect(reply, publicUrl + request.url)
  })

  app.get(`${addresses.assets}:name`, function sendAsset(request, reply) {
    const { name = '' } = request.params as { name?: string } // the route's own parameter
    const asset = theme.assets.get(name)
    if (asset === undefined) throw new Refusal('NOT_FOUND')
    const { v } = request.query as { v?: unknown } // Fastify's parser makes an object
    const cache = v === asset.version ? 'public, max-age=31536000, immutable' : 'no-cache'
    return reply.header('cache-control', cache).type(asset.type).send(asset.bytes)
  })

  signInRoutes(app, context)
  secondFactorRoutes(app, context)
  signUpRoutes(app, context)
  forgottenPasswordRoutes(app, context)
  signOutRoutes(app, context)
  mailedLinkRoutes(app, context)
  await accountRoutes(app, context)
  deviceEventStream(app, context, options.openStreams)
  if (options.development !== undefined) {
    const { developmentRoutes } = await import('./development-pages.ts')
    developmentRoutes(app, context, options.development)
  }

  app.all(addresses.path, function redirectToAccount({ method }, reply) {
    if (method !== 'GET') throw new Refusal('NOT_FOUND')
    return redirect(reply, addresses.account)
  })
  app.all(`${addresses.path}/*`, function dropLastSlash(request, reply) {
    const { pathname, search } = new URL(request.url, publicUrl)
    if (request.method !== 'GET' || !pathname.endsWith('/')) throw new Refusal('NOT_FOUND')
    return redirect(reply, pathname.slice(0, -1) + search)
  })
}

/**
 * The other names of this machine, where the public origin is one of them. Hosts other than loopback are left alone: a
 * proxy in front may use a name that differs from the public one.
 */
function loopbackAliases(publicUrl: string): ReadonlySet<string> {
  const { hostname, port } = new URL(publicUrl)
  const names = ['localhost', '127.0.0.1', '[::1]']
  if (!names.includes(hostname)) return new Set()
  return new Set(names.filter((name) => name !== hostname).map((name) => (port === '' ? name : `${name}:${port}`)))
}
