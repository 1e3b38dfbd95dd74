import type { IncomingMessage } from 'node:http'
import { methods } from '../auth/http-methods.ts'
import { addToList } from './add-to-list-header.ts'

const exposedHeaders = ['X-Request-Id', 'Retry-After']
const exposedByUs = exposedHeaders.join(', ')
const preflightSeconds = '600'

/** Cross-origin requests of the trusted origins, with credentials (Fetch standard, CORS protocol). */
export interface Cors {
  /** Whether responses vary by `Origin` at all, so that caches have to keep them apart. */
  readonly active: boolean
  /**
   * Flat name/value pairs for a response to this request, less {@link exposedBesides}; empty for an origin that is not
   * trusted.
   */
  headers(request: IncomingMessage): readonly string[]
  /** Whether the gateway answers this preflight itself. */
  isPreflight(request: IncomingMessage): boolean
  /** Flat name/value pairs for the answer to a preflight. */
  preflightHeaders(request: IncomingMessage): readonly string[]
}

/**
 * `Access-Control-Expose-Headers` for a trusted origin: what the application exposes, and what of the gateway's own headers
 * scripts need to read.
 */
export function exposedBesides(values: readonly string[]): string {
  if (values.length === 0) return exposedByUs
  const lines = [values.join(', ')]
  addToList(lines, exposedHeaders)
  return lines.join(', ')
}

export function createCors(trustedOrigins: readonly string[]): Cors {
  const none: readonly string[] = []
  const byOrigin = new Map(
    trustedOrigins.map((origin) => [
      origin,
      ['Access-Control-Allow-Origin', origin, 'Access-Control-Allow-Credentials', 'true']
    ])
  )
  const headers = ({ headers: { origin } }: IncomingMessage) => (origin && byOrigin.get(origin)) || none

  return {
    active: byOrigin.size > 0,
    headers,
    isPreflight: (request) =>
      request.method === 'OPTIONS' &&
      request.headers['access-control-request-method'] !== undefined &&
      headers(request) !== none,
    preflightHeaders(request) {
      const requested = request.headers['access-control-request-headers']
      return [
        ...headers(request),
        ...['Access-Control-Allow-Methods', methods.join(', '), 'Access-Control-Max-Age', preflightSeconds],
        ...(requested === undefined ? [] : ['Access-Control-Allow-Headers', requested]),
        ...['Vary', 'Access-Control-Request-Method, Access-Control-Request-Headers']
      ]
    }
  }
}
