import type { FastifyCookieOptions } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clientAddress, clientAddressHeader } from './client-address.ts'
import { withTokenNames } from './cookie-header.ts'
import { hidesOwnOrigin } from './cross-site.ts'
import { connectionHeaders, foldHeaderName, isEventStreamType, kindOfHeader } from './header-kinds.ts'
import { isRead } from './http-methods.ts'
import { isOverlong } from './input-limits.ts'

/** Options of `@fastify/cookie` under which values stay as they were sent, for BetterAuth to decode and verify. */
export const cookieReading: FastifyCookieOptions = {
  // The plugin's types allow here only the options of serialising.
  parseOptions: { decode: (value: string) => value } as NonNullable<FastifyCookieOptions['parseOptions']>
}

// BetterAuth parses the addresses in these headers several times. One that is overlong must not be parsed at all: it is
// replaced by an origin that BetterAuth refuses.
const addressHeaders = new Set(['origin', 'referer'])
const refusedOrigin = 'https://overlong.invalid'

/**
 * The headers of a request as BetterAuth sees them, less its cookies: only those of the client's that say nothing about
 * hosts, addresses, paths, users and traces. The policy's `headers` do not apply here: they are for upstreams.
 */
export function headersWithoutCookies(request: FastifyRequest, publicUrl: string): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || name === 'cookie' || kindOfHeader(foldHeaderName(name)) !== 'application') continue
    const text = Array.isArray(value) ? value.join(', ') : value
    headers.set(name, addressHeaders.has(name) && isOverlong(text) ? refusedOrigin : text)
  }
  // BetterAuth refuses `null`, whatever else the browser says.
  if (hidesOwnOrigin(request.headers)) headers.set('origin', publicUrl)
  headers.set(clientAddressHeader, clientAddress(request))
  return headers
}

/**
 * The request as BetterAuth sees it: method, canonical path and query under the public origin, the body's bytes as they
 * came, {@link headersWithoutCookies}, and its cookies.
 */
export function toFetchRequest(request: FastifyRequest, publicUrl: string): Request {
  const headers = headersWithoutCookies(request, publicUrl)
  const cookies = cookiesFor(request)
  if (cookies !== '') headers.set('cookie', cookies)
  const { method, body } = request
  // `Request` refuses a body on GET and HEAD, where HTTP gives it no meaning.
  const carriesBody = !isRead(method) && Buffer.isBuffer(body) && body.length > 0
  return new Request(publicUrl + request.url, {
    method,
    headers,
    redirect: 'manual',
    body: carriesBody ? new Uint8Array(body) : null
  })
}

/** The `Cookie` header as BetterAuth sees it: of two cookies with one name only the first, so that all of its code reads the same. */
export function cookiesFor({ cookies }: FastifyRequest): string {
  const pairs = Object.entries(cookies).map(([name, value]) => `${name}=${value}`)
  return withTokenNames(pairs.join('; '))
}

// Fastify writes the length itself, and each cookie needs a header of its own.
const notCopied = new Set(['content-length', 'trailer', 'set-cookie'])

/** Sends BetterAuth's response: each `Set-Cookie` in a header of its own, the body streamed, `Location` unchanged. Never cached. */
export function sendFetchResponse(response: Response, reply: FastifyReply): FastifyReply {
  reply.code(response.status)
  for (const [name, value] of response.headers) {
    if (!connectionHeaders.has(name) && !notCopied.has(name)) reply.header(name, value)
  }
  for (const cookie of response.headers.getSetCookie()) reply.header('set-cookie', cookie)
  // nginx would hold back an event stream until it has a buffer full of it.
  if (isEventStreamType(response.headers.get('content-type') ?? '') && !response.headers.has('x-accel-buffering'))
    reply.header('x-accel-buffering', 'no')
  reply.header('cache-control', 'no-store')
  if (reply.request.method !== 'HEAD' && response.status !== 204 && response.status !== 304)
    return reply.send(response.body ?? undefined)
  response.body?.cancel().catch(() => {})
  return reply.send()
}
