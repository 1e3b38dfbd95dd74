import type { IncomingMessage } from 'node:http'
import type { onRequestHookHandler } from 'fastify'
import { methods } from '../auth/http-methods.ts'
import { Refusal } from '../auth/refusals.ts'
import { canonicalTarget, hasEncodedSlash, readEncodedSlashes } from './canonical-path.ts'
import type { PolicyRoute } from './compile-route-rules.ts'
import { createEncodedSlashCheck } from './encoded-slashes.ts'
import { RequestContext } from './request-context.ts'
import type { RouteRule } from './route-rules.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The one route that is answered whatever the `Host`: the platform's health check. */
    anyHost?: boolean
    /** The policy's rule that this route stands for. What the gateway answers itself has none. */
    rule?: RouteRule
  }
}

export interface RequestValidationOptions {
  /** The public origin. */
  readonly publicUrl: string
  /** Further `Host` values that are answered. */
  readonly allowedHosts: readonly string[]
  /** The session cookie's full name, prefix included. */
  readonly sessionCookie: string
  /** The compiled rules. */
  readonly routes: readonly PolicyRoute[]
}

/** Stands in for a target that has no canonical form. No canonical target contains `//`, so it can be told apart. */
export const refusedTarget = '//'

/**
 * Fastify's `rewriteUrl`: the router sees the canonical target, `request.originalUrl` keeps the client's bytes. Of a path
 * with encoded slashes the router sees the reading in which they part segments; whether that is the only one is for
 * request validation to say.
 */
export function rewriteUrl({ url = '' }: IncomingMessage): string {
  return canonicalTarget(url) ?? readEncodedSlashes(url)?.parting ?? refusedTarget
}

/**
 * The first hook of every request: begins its context, and requires one reading of its path, a method that is served and
 * a host that is ours.
 */
export function createRequestValidation(options: RequestValidationOptions): onRequestHookHandler {
  const { sessionCookie } = options
  const served: ReadonlySet<string> = new Set(methods)
  const hosts = createHostCheck(options)
  const hasOneRule = createEncodedSlashCheck(options.routes)

  return function validateRequest(request, reply, done) {
    const { raw } = request
    const context = new RequestContext(request, sessionCookie)
    request.context = context
    // Node ignores an `Upgrade` to anything but a WebSocket and drops the bytes that came with it: the next request may
    // begin anywhere in what follows.
    if (raw.headers.upgrade !== undefined && !context.isUpgrade) reply.raw.shouldKeepAlive = false
    // Node's parser accepts HTTP/0.9 and HTTP/2.0 on the request line and reads what follows as HTTP/1.1.
    if (raw.httpVersionMajor !== 1) return done(new Refusal('REQUEST_MALFORMED'))
    if (context.canonicalTarget === refusedTarget) return done(new Refusal('PATH_AMBIGUOUS'))
    // A target with an encoded slash is never its own canonical spelling.
    if (
      context.canonicalTarget !== context.target &&
      hasEncodedSlash(context.target) &&
      !hasOneRule(request.method, context.target, request.routeOptions.config.rule)
    )
      return done(new Refusal('PATH_AMBIGUOUS'))
    if (context.isUpgrade && hasParameters(context.target)) return done(new Refusal('PATH_AMBIGUOUS'))
    if (!served.has(request.method)) return done(new Refusal('METHOD_NOT_ALLOWED'))
    const host = raw.headers.host
    if (host !== undefined && hosts.known.has(host) && hasOneHost(raw)) return done()
    if (request.routeOptions.config.anyHost === true) return done()
    if (host === undefined || !hasOneHost(raw) || !isHost(host)) return done(new Refusal('HOST_INVALID'))
    done(hosts.known.has(hosts.normalise(host)) ? undefined : new Refusal('HOST_UNKNOWN'))
  }
}

// daphne cuts what follows a `;` in the last segment off a WebSocket's path, and off no other path
// (`docs/upstream-notes.md`).
function hasParameters(target: string): boolean {
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  return path.includes(';', path.lastIndexOf('/'))
}

function hasOneHost({ rawHeaders }: IncomingMessage): boolean {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name?.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count === 1
}

const loopback = ['localhost', '127.0.0.1', '[::1]']

function createHostCheck({ publicUrl, allowedHosts }: RequestValidationOptions) {
  const url = new URL(publicUrl)
  const defaultPort = url.protocol === 'https:' ? ':443' : ':80'
  const normalise = (host: string) => {
    const lower = host.toLowerCase()
    return lower.endsWith(defaultPort) ? lower.slice(0, -defaultPort.length) : lower
  }
  const known = new Set([url.host, ...allowedHosts].map(normalise))
  if (loopback.includes(url.hostname)) {
    for (const name of loopback) known.add(url.port === '' ? name : `${name}:${url.port}`)
  }
  return { known, normalise }
}

// RFC 9110, section 7.2: a name or an address, and perhaps a port; no path, no user, no list (CVE-2026-48710).
function isHost(host: string): boolean {
  return /^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9.])?)(?::\d{1,5})?$/i.test(host)
}
