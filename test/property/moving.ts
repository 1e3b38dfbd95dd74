import fc from 'fast-check'
import type { RouteRule } from '../../proxy/route-rules.ts'
import { tokenChars } from './headers.ts'

// Every name that a request's reading can come from in the servers and frameworks of `servers.ts`, out of their source,
// with what their documentation and their users' middleware add, in the order of who reads it.
const names = [
  // gunicorn: forwarder_headers, secure_scheme_headers, header_map
  ...['Script-Name', 'Path-Info', 'Remote-User', 'Remote-Addr', 'X-Forwarded-Protocol', 'X-Forwarded-Proto'],
  ...['X-Forwarded-SSL', 'X-Forwarded-For', 'Request-Method', 'Server-Name', 'Server-Port', 'Query-String', 'Raw-URI'],
  // werkzeug and Flask: ProxyFix, HTTP_HOST, get_content_length
  ...['X-Forwarded-Host', 'X-Forwarded-Port', 'X-Forwarded-Prefix', 'Request-URI', 'X-Script-Name', 'X-Scheme'],
  // Django: USE_X_FORWARDED_HOST, USE_X_FORWARDED_PORT, SECURE_PROXY_SSL_HEADER, RemoteUserMiddleware
  ...['HTTP-Remote-User', 'HTTP-X-Forwarded-Host', 'HTTP-Host', 'WSGI-URL-Scheme', 'X-HTTP-Method-Override'],
  // daphne, asgiref, Starlette
  ...['Daphne-Root-Path', 'Root-Path', 'X-Root-Path', 'ASGI-Root-Path'],
  // waitress, hypercorn, granian, uvicorn
  ...['X-Forwarded-By', 'Forwarded', 'X-Real-IP', 'X-Client-IP', 'X-Original-URL', 'X-Original-URI', 'X-Rewrite-URL'],
  // What frames a body, read once more behind the gateway
  ...['Transfer-Encoding', 'Content-Length', 'HTTP2-Settings']
]

// What Node itself reads in this spelling belongs to the request and not to what could move it.
const framing = new Set(['transfer-encoding', 'content-length', 'http2-settings'])

const separators = [...'__--.!~', ...tokenChars.filter((char) => !/[a-z0-9]/i.test(char))]

/** A header by which a client could move what the policy judged; realised by `spellMoving`. */
export const movingHeaders = fc.array(
  fc.record({
    name: fc.constantFrom(...names, 'Script-Name', 'Path-Info', 'Daphne-Root-Path'),
    separator: fc.constantFrom(...separators),
    casing: fc.constantFrom('as it is', 'upper', 'lower'),
    value: fc.constantFrom('prefix', 'prefix', 'prefix', 'path', 'path', 'method', 'scheme', 'host', 'address', 'body'),
    at: fc.nat()
  }),
  { maxLength: 4, size: 'max' }
)

export type MovingHeader = typeof movingHeaders extends fc.Arbitrary<readonly (infer T)[]> ? T : never

/** The lines of these headers for a request with this target. */
export function spellMoving(
  headers: readonly MovingHeader[],
  target: string,
  rules: readonly RouteRule[]
): readonly string[] {
  return headers.flatMap(({ name, separator, casing, value, at }) => {
    const cased = casing === 'upper' ? name.toUpperCase() : casing === 'lower' ? name.toLowerCase() : name
    const spelled = cased.replaceAll('-', separator)
    if (framing.has(spelled.toLowerCase())) return []
    return [`${spelled}: ${lineValue(value, at, target, rules)}`]
  })
}

function lineValue(kind: string, at: number, target: string, rules: readonly RouteRule[]): string {
  switch (kind) {
    case 'prefix': {
      // Where a mount point takes something away: it has to be the beginning of the path.
      const segments = (target.split('?')[0] ?? '').split('/').filter((segment) => /^[!-~]+$/.test(segment))
      return `/${segments.slice(0, 1 + (at % 2)).join('/')}`
    }
    case 'path':
      return (rules[at % Math.max(rules.length, 1)]?.path ?? '/').replaceAll(/[^!-~]/g, 'x')
    case 'method':
      return ['DELETE', 'GET', 'POST'][at % 3] ?? ''
    case 'scheme':
      return ['https', 'ssl', 'on', 'for=9.9.9.9;host=evil.example;proto=https'][at % 4] ?? ''
    case 'host':
      return ['evil.example', 'evil.example:443', '443'][at % 3] ?? ''
    case 'address':
      return ['9.9.9.9', 'root', '::1'][at % 3] ?? ''
    default:
      return ['chunked', '0', '5'][at % 3] ?? ''
  }
}
