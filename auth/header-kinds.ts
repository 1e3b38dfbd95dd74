/**
 * Headers (lower case) that belong to one connection and are never forwarded: RFC 9110, section 7.6.1, and what older
 * proxies send.
 */
export const connectionHeaders: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings'
])

// What HTTP needs to carry a request: each hop writes its own.
const framing = new Set(['host', 'content-length', 'expect', 'trailer'])

// Names under which the gateway itself speaks, and under which applications listen to it.
const reserved = new Set(['forwarded', 'x-request-id'])
const reservedPrefixes = ['x-user-', 'x-session-', 'x-gatehouse-', 'x-forwarded-']

// Names by which some server, framework or other proxy's user lets a header move the path, the method, the scheme, the
// client or the user: gunicorn's SCRIPT_NAME and daphne's Daphne-Root-Path by default, the others when somebody said so.
const moving = new Set([
  ...['script-name', 'path-info', 'daphne-root-path', 'x-script-name'],
  ...['x-original-url', 'x-original-uri', 'x-rewrite-url'],
  ...['x-http-method-override', 'x-http-method', 'x-method-override', 'x-original-method'],
  ...['x-scheme', 'x-original-host', 'x-host', 'x-http-host-override'],
  ...['x-real-ip', 'x-client-ip', 'x-cluster-client-ip', 'true-client-ip', 'cf-connecting-ip', 'cf-connecting-ipv6'],
  ...['fastly-client-ip', 'x-azure-clientip']
])
const movingPrefixes = [
  ...['remote-', 'x-remote-', 'x-auth-request-', 'x-webauth-', 'x-authentik-', 'x-pomerium-', 'x-amzn-oidc-'],
  ...['x-goog-authenticated-user-', 'x-goog-iap-', 'x-ms-client-principal', 'cf-access-', 'tailscale-user-'],
  ...['client-cert', 'x-client-cert', 'ssl-client-', 'x-ssl-client-', 'x-envoy-']
]

const trace = new Set(['traceparent', 'tracestate', 'baggage'])

/**
 * What a client's header is about. `connection` and `framing`: this one hop. `reserved`: a name that only the gateway may
 * send. `moving`: some server takes the path, the method, the scheme, the client or the user from it. `trace`: the context
 * of a trace. `application`: anything else.
 */
export type HeaderKind = 'connection' | 'framing' | 'reserved' | 'moving' | 'trace' | 'application'

/**
 * A header's name as the loosest reader could take it: lower case, and `-` for every character that is neither letter
 * nor digit. CGI and WSGI servers fold `-` and `_` together, others fold more.
 */
export function foldHeaderName(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')
}

/** The kind of a header by its folded name. */
export function kindOfHeader(folded: string): HeaderKind {
  if (connectionHeaders.has(folded)) return 'connection'
  if (framing.has(folded)) return 'framing'
  if (reserved.has(folded) || reservedPrefixes.some((prefix) => folded.startsWith(prefix))) return 'reserved'
  if (moving.has(folded) || movingPrefixes.some((prefix) => folded.startsWith(prefix))) return 'moving'
  return trace.has(folded) ? 'trace' : 'application'
}

/** Whether this header (lower case) belongs to one connection and is never forwarded. */
export function isHopByHop(name: string): boolean {
  return connectionHeaders.has(name)
}

/** The header names (lower case) that a `Connection` header lists beside its own options; null when there are none. */
export function listedInConnection(connection: string | undefined): ReadonlySet<string> | null {
  if (connection === undefined) return null
  const lower = connection.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return null
  return new Set(lower.split(',').map((option) => option.trim()))
}

/** Whether a `Content-Type` is that of server-sent events. */
export function isEventStreamType(contentType: string): boolean {
  return /^text\/event-stream\b/i.test(contentType)
}
