import type { FastifyCookieOptions } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clientAddress, clientAddressHeader } from './client-address.ts'
import { withTokenNames } from './cookie-header.ts'
import { connectionHeaders, foldHeaderName, kindOfHeader } from './header-kinds.ts'
import { isRead } from './http-methods.ts'
import { isOverlong } from './input-limits.ts'

/** How `@fastify/cookie` has to read for `toFetchRequest`: values as they were sent, for BetterAuth to decode and verify. */
export const cookieReading: FastifyCookieOptions = {
  // Its types allow here only what serialising takes.
  parseOptions: { decode: (value: string) => value } as NonNullable<FastifyCookieOptions['parseOptions']>
}

// BetterAuth takes their origins, again and again. What is no origin it refuses as one that it does not know.
const addresses = new Set(['origin', 'referer'])
const nobodysOrigin = 'https://overlong.invalid'

/**
 * The request as BetterAuth sees it: method, canonical path and query under the public origin, whatever the client
 * said about hosts, addresses, paths, users and traces, and the body's bytes as they came. The policy's `headers` change
 * nothing here: they are about upstreams.
 */
export function toFetchRequest(request: FastifyRequest, publicUrl: string): Request {
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || name === 'cookie' || kindOfHeader(foldHeaderName(name)) !== 'application') continue
    const text = Array.isArray(value) ? value.join(', ') : value
    headers.set(name, addresses.has(name) && isOverlong(text) ? nobodysOrigin : text)
  }
  const cookies = cookiesFor(request)
  if (cookies !== '') headers.set('cookie', cookies)
  headers.set(clientAddressHeader, clientAddress(request))
  const { method, body } = request
  // Fetch refuses a body on GET and HEAD, where HTTP gives it no meaning.
  const carriesBody = !isRead(method) && Buffer.isBuffer(body) && body.length > 0
  return new Request(publicUrl + request.url, {
    method,
    headers,
    redirect: 'manual',
    body: carriesBody ? new Uint8Array(body) : null
  })
}

/** The `Cookie` header as BetterAuth sees it: of two cookies with one name the first counts, for whatever runs inside. */
export function cookiesFor({ cookies }: FastifyRequest): string {
  const pairs = Object.entries(cookies).map(([name, value]) => `${name}=${value}`)
  return withTokenNames(pairs.join('; '))
}

// Fastify writes the length of what it sends, and cookies go one by one.
const ownOfResponses = new Set(['content-length', 'trailer', 'set-cookie'])

/** Answers with BetterAuth's response: every `Set-Cookie` on its own, the body streamed, `Location` as it is. Never cached. */
export function sendFetchResponse(response: Response, reply: FastifyReply): FastifyReply {
  reply.code(response.status)
  for (const [name, value] of response.headers) {
    if (!connectionHeaders.has(name) && !ownOfResponses.has(name)) reply.header(name, value)
  }
  for (const cookie of response.headers.getSetCookie()) reply.header('set-cookie', cookie)
  reply.header('cache-control', 'no-store')
  if (response.body === null || isBodyless(reply.request.method, response.status)) {
    response.body?.cancel().catch(ignore)
    return reply.send()
  }
  return reply.send(response.body)
}

function isBodyless(method: string, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304
}

function ignore(): void {}
