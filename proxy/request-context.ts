import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { clientAddress } from '../auth/client-address.ts'
import { type CookieHeader, readCookieHeader } from '../auth/cookie-header.ts'
import type { Holder } from '../auth/live-connection-limits.ts'
import type { Identity } from '../auth/session-verdict.ts'
import type { RouteRule } from './route-rules.ts'
import { upgradeOf } from './websocket-upgrade-routing.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What is known about this request. */
    context: RequestContext
  }
}

const none: readonly string[] = []

/**
 * What is known about one request. Each part is found out once, and request validation, the guard, the forward and the
 * response read it here.
 */
export class RequestContext {
  readonly raw: IncomingMessage
  /** `X-Request-Id`. */
  readonly id: string
  /** The request target (RFC 9112, section 3.2) in the client's own bytes. */
  readonly target: string
  /** The same as the router sees it: decoded once, spelled in one way. */
  readonly canonicalTarget: string
  /** Whether the request arrived as an upgrade to a WebSocket. */
  readonly isUpgrade: boolean
  /** The policy's rule; undefined for what the gateway answers itself. */
  rule: RouteRule | undefined = undefined
  /** Who is asking, once the guard has found out; null on public routes and for the anonymous. */
  identity: Identity | null = null
  /** `Set-Cookie` values of a session that was refreshed for this request. */
  setCookies: readonly string[] = none
  readonly #request: FastifyRequest
  readonly #sessionCookie: string
  #cookies: CookieHeader | undefined = undefined
  #clientAddress: string | undefined = undefined

  /** `sessionCookie`: the session cookie's full name, prefix included. */
  constructor(request: FastifyRequest, sessionCookie: string) {
    this.raw = request.raw
    this.id = request.id
    this.target = request.originalUrl
    this.canonicalTarget = request.url
    this.isUpgrade = upgradeOf(request.raw) !== undefined
    this.#request = request
    this.#sessionCookie = sessionCookie
  }

  get cookies(): CookieHeader {
    this.#cookies ??= readCookieHeader(this.raw.headers.cookie, this.#sessionCookie)
    return this.#cookies
  }

  /** The address that the request is counted and forwarded under. */
  get clientAddress(): string {
    this.#clientAddress ??= clientAddress(this.#request)
    return this.#clientAddress
  }

  /** Who holds the connections that this request opens: its session, or the address of a client without one. */
  get holder(): Holder {
    return this.identity === null
      ? { name: this.clientAddress, isSession: false }
      : { name: this.identity.sessionId, isSession: true }
  }
}
