import type { IncomingMessage } from 'node:http'
import { withoutBetterAuthCookies } from '../auth/cookie-header.ts'
import { foldHeaderName, kindOfHeader, listedInConnection } from '../auth/header-kinds.ts'
import type { Identity } from '../auth/session-validation.ts'

/** What the upstream can be told about an identified user on demand. */
export const principalHeaderNames = {
  name: 'X-User-Name',
  role: 'X-User-Role',
  sessionId: 'X-Session-Id',
  impersonatedBy: 'X-User-Impersonated-By'
} as const satisfies Partial<Record<keyof Identity, string>>
export type PrincipalHeader = keyof typeof principalHeaderNames

/** What becomes of clients' headers beyond what always does. Names in any spelling that folds to the same. */
export interface HeaderPolicy {
  /** Dropped as well. */
  readonly drop: readonly string[]
  /** Passed on, though they can move what was judged. */
  readonly pass: readonly string[]
}

/** What is believed of a client's headers, and by whom. One for all upstreams of a gateway. */
export interface ClientHeaders {
  dispositionOf(name: string): Disposition
  /** Whether the peer with this address is believed about the trace that a request belongs to. */
  isTrusted(address: string | undefined): boolean
}

export type Disposition = 'pass' | 'drop' | 'cookie' | 'from-trusted'

const dispositionsKept = 512
const longestKept = 64

export function clientHeaders(
  policy?: HeaderPolicy,
  isTrusted: ClientHeaders['isTrusted'] = () => false
): ClientHeaders {
  const drop = new Set(policy?.drop.map(foldHeaderName))
  const pass = new Set(policy?.pass.map(foldHeaderName))
  const known = new Map<string, Disposition>()

  function dispositionOf(name: string): Disposition {
    const found = known.get(name)
    if (found !== undefined) return found
    const disposition = judge(name)
    if (name.length > longestKept) return disposition
    // Begun anew, and not left as it is: whoever came first with made-up names would slow all others down for good.
    if (known.size >= dispositionsKept) known.clear()
    known.set(name, disposition)
    return disposition
  }

  function judge(name: string): Disposition {
    const folded = foldHeaderName(name)
    if (drop.has(folded)) return 'drop'
    switch (kindOfHeader(folded)) {
      case 'connection':
      case 'reserved':
        return 'drop'
      case 'framing':
        // In no other spelling: a server that folds names would have two lengths to choose from.
        return name.toLowerCase() === 'content-length' ? 'pass' : 'drop'
      case 'moving':
        return pass.has(folded) ? 'pass' : 'drop'
      case 'trace':
        return 'from-trusted'
      case 'application':
        return folded === 'cookie' ? 'cookie' : 'pass'
    }
  }

  return { dispositionOf, isTrusted }
}

/** What the upstream is told about every request, whoever asks. */
export interface UpstreamFacts {
  /** Flat name/value pairs that are the same for every request: Host, X-Forwarded-Proto, X-Forwarded-Host, the token. */
  readonly constant: readonly string[]
  /** What is said about an identified user besides id, email and its verification. */
  readonly principal: readonly PrincipalHeader[]
  readonly clients: ClientHeaders
}

export function upstreamFacts(
  publicUrl: string,
  token: string | undefined,
  principal: readonly PrincipalHeader[] = [],
  clients = clientHeaders()
): UpstreamFacts {
  const { host, protocol } = new URL(publicUrl)
  const constant = ['Host', host, 'X-Forwarded-Proto', protocol.slice(0, -1), 'X-Forwarded-Host', host]
  if (token !== undefined) constant.push('X-Gatehouse-Token', token)
  return { constant, principal, clients }
}

/**
 * The headers for the upstream as flat name/value pairs: the client's own, less everything that only the gateway may
 * say and everything that belongs to one connection (RFC 9110, section 7.6.1), then the gateway's. What the client lists
 * in `Connection` can take away its own headers only (CVE-2026-33805).
 */
export function upstreamHeaders(
  request: IncomingMessage,
  facts: UpstreamFacts,
  about: { readonly identity: Identity | null; readonly requestId: string; readonly clientAddress: string }
): string[] {
  const { rawHeaders } = request
  const { clients } = facts
  const listed = listedInConnection(request.headers.connection)
  const headers = facts.constant.slice()
  headers.push('X-Request-Id', about.requestId, 'X-Forwarded-For', about.clientAddress)
  if (about.identity !== null) headers.push(...principalHeaders(about.identity, facts))
  let cookieAt = -1
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    const disposition = clients.dispositionOf(name)
    if (disposition === 'drop' || listed?.has(name.toLowerCase())) continue
    if (disposition === 'pass') headers.push(name, value)
    else if (disposition === 'from-trusted') {
      if (clients.isTrusted(request.socket.remoteAddress)) headers.push(name, value)
    } else {
      const left = withoutBetterAuthCookies(value)
      if (left === null) continue
      // Several lines are what HTTP/2 makes of one (RFC 9113, section 8.2.3), and FastAPI would read the last.
      if (cookieAt === -1) cookieAt = headers.push(name, left) - 1
      else headers[cookieAt] += `; ${left}`
    }
  }
  return headers
}

// One gateway's facts are the same for all of its identities.
const principals = new WeakMap<Identity, readonly string[]>()

function principalHeaders(identity: Identity, { principal }: UpstreamFacts): readonly string[] {
  const known = principals.get(identity)
  if (known !== undefined) return known
  const headers = [
    'X-User-Id',
    encodeHeaderValue(identity.userId),
    'X-User-Email',
    encodeHeaderValue(identity.email),
    'X-User-Email-Verified',
    String(identity.emailVerified)
  ]
  for (const key of principal) {
    const value = identity[key]
    if (value !== null) headers.push(principalHeaderNames[key], encodeHeaderValue(value))
  }
  principals.set(identity, headers)
  return headers
}

/** A value that can stand in a header: bytes outside `!`–`~`, and `%`, as percent-encoded UTF-8. */
export function encodeHeaderValue(value: string): string {
  if (/^[!-$&-~]*$/.test(value)) return value
  let encoded = ''
  for (const byte of Buffer.from(value, 'utf8')) {
    encoded +=
      byte > 0x20 && byte < 0x7f && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
