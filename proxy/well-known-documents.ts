import type { BetterAuthPlugin } from 'better-auth'
import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import type { CallAuth } from '../auth/call-better-auth.ts'
import { headersWithoutCookies, sendFetchResponse } from '../auth/fetch-bridge.ts'
import { isRead } from '../auth/http-methods.ts'
import type { RateLimits } from '../auth/rate-limit.ts'
import type { RequestContext } from './request-context.ts'

// RFC 8615: where clients look for documents that describe a whole origin.
const wellKnown = '/.well-known/'

/** Whether a request looks for a document below `/.well-known/`. Other methods, and upgrades, look for none. */
export function isDiscovery({ raw, canonicalTarget, isUpgrade }: RequestContext): boolean {
  return !isUpgrade && looksForDocument(raw.method ?? '', canonicalTarget)
}

/** The same of a method and a canonical target, for what is no upgrade. */
export function looksForDocument(method: string, canonicalTarget: string): boolean {
  return canonicalTarget.startsWith(wellKnown) && isRead(method)
}

export interface WellKnownOptions {
  readonly callAuth: CallAuth
  /** The public origin, without a trailing slash. */
  readonly publicUrl: string
  readonly limits: Pick<RateLimits, 'admit'>
  readonly plugins: readonly BetterAuthPlugin[]
  /** The path that BetterAuth is served under. */
  readonly basePath: string
}

/**
 * A hook that answers with the document of a BetterAuth plugin, and lets every other request pass: metadata of an
 * authorization server (RFC 8414) and of protected resources (RFC 9728) is looked for at the root, and not below
 * BetterAuth's own path. Undefined where no plugin can have any.
 */
export function createWellKnownDocuments(options: WellKnownOptions): onRequestHookHandler | undefined {
  const { callAuth, publicUrl, limits, plugins, basePath } = options
  const endpoints = new Set(plugins.flatMap(wellKnownEndpoints))
  // Which paths a plugin's `onRequest` answers shows only when it is asked.
  if (endpoints.size === 0 && plugins.every(({ onRequest }) => onRequest === undefined)) return undefined

  async function documentFor(request: FastifyRequest): Promise<Response | undefined> {
    const { id, context } = request
    await limits.admit(context.clientAddress)
    const headers = headersWithoutCookies(request, publicUrl)
    // What these documents say is the same for everybody.
    headers.delete('authorization')
    const target = context.canonicalTarget
    const [path = ''] = target.split('?', 1)
    for (const place of endpoints.has(path) ? ['', basePath] : ['']) {
      const response = await callAuth(new Request(publicUrl + place + target, { headers, redirect: 'manual' }), id)
      // Everything else than a document, a plugin's 401 above all, is for the policy to answer.
      if (response.ok || response.status === 304) return response
      response.body?.cancel().catch(() => {})
    }
    return undefined
  }

  return function answerDocument(request, reply, done) {
    if (!isDiscovery(request.context)) return done()
    documentFor(request).then((found) => {
      if (found === undefined) done()
      else sendFetchResponse(found, reply)
    }, done)
  }
}

function wellKnownEndpoints({ endpoints = {} }: BetterAuthPlugin): string[] {
  return Object.values(endpoints).flatMap(({ path }) => (path?.startsWith(wellKnown) === true ? [path] : []))
}
