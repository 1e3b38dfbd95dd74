import type { IncomingMessage } from 'node:http'
import { methods } from '../auth/http-methods.ts'

/** Response headers that scripts of a trusted origin may read. */
const exposed = 'X-Request-Id, Retry-After'
const allowedMethods = methods.join(', ')
const preflightSeconds = '600'

/** Cross-origin requests of the trusted origins, with credentials (Fetch standard, CORS protocol). */
export interface Cors {
  /** Whether responses vary by `Origin` at all, so that caches have to keep them apart. */
  readonly active: boolean
  /** Flat name/value pairs for a response to this request; empty for an origin that is not trusted. */
  headers(request: IncomingMessage): readonly string[]
  /** Whether the gateway answers this preflight itself. */
  isPreflight(request: IncomingMessage): boolean
  /** Flat name/value pairs for the answer to a preflight. */
  preflightHeaders(request: IncomingMessage): readonly string[]
}

export function createCors(trustedOrigins: readonly string[]): Cors {
  const trusted = new Set(trustedOrigins)
  const isTrusted = (request: IncomingMessage) =>
    request.headers.origin !== undefined && trusted.has(request.headers.origin)
  const headers = (request: IncomingMessage): string[] =>
    trusted.size > 0 && isTrusted(request)
      ? [
          'Access-Control-Allow-Origin',
          String(request.headers.origin),
          'Access-Control-Allow-Credentials',
          'true',
          'Access-Control-Expose-Headers',
          exposed
        ]
      : []

  return {
    active: trusted.size > 0,
    headers,
    isPreflight: (request) =>
      request.method === 'OPTIONS' &&
      request.headers['access-control-request-method'] !== undefined &&
      isTrusted(request),
    preflightHeaders(request) {
      const asked = request.headers['access-control-request-headers']
      return [
        ...headers(request),
        'Access-Control-Allow-Methods',
        allowedMethods,
        ...(asked === undefined ? [] : ['Access-Control-Allow-Headers', asked]),
        'Access-Control-Max-Age',
        preflightSeconds,
        'Vary',
        'Access-Control-Request-Method, Access-Control-Request-Headers'
      ]
    }
  }
}
