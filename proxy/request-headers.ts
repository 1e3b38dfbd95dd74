import { type PrincipalHeader, type PrincipalName, principalNames } from '../auth/additional-fields.ts'
import { foldHeaderName, kindOfHeader, listedInConnection } from '../auth/header-kinds.ts'
import type { Identity } from '../auth/session-verdict.ts'
import type { RequestContext } from './request-context.ts'

/** What the upstream can be told about an identified user on demand. */
const principalHeaderNames = {
  name: 'X-User-Name',
  role: 'X-User-Role',
  sessionId: 'X-Session-Id',
  sessionCreatedAt: 'X-Session-Created-At',
  impersonatedBy: 'X-User-Impersonated-By'
} as const satisfies Record<PrincipalName, string>

/** What becomes of clients' headers beyond what always does. Names in any spelling that folds to the same. */
export interface HeaderPolicy {
  /** Dropped as well. */
  readonly drop: readonly string[]
  /** Passed on, though they can move what was judged. */
  readonly pass: readonly string[]
}

/** What becomes of one header of a client on its way to the upstream. */
type Disposition = 'pass' | 'drop' | 'cookie' | 'from-trusted'

const cachedNames = 512
const longestCachedName = 64

// What becomes of each header name, computed once for each spelling.
function createDispositions({ drop, pass }: HeaderPolicy): (name: string) => Disposition {
  const dropped = new Set(drop.map(foldHeaderName))
  const passed = new Set(pass.map(foldHeaderName))
  const cached = new Map<string, Disposition>()

  function judge(name: string): Disposition {
    const folded = foldHeaderName(name)
    if (dropped.has(folded)) return 'drop'
    switch (kindOfHeader(folded)) {
      case 'connection':
      case 'reserved':
        return 'drop'
      case 'framing':
        // In no other spelling: a server that folds names would have two lengths to choose from.
        return name.toLowerCase() === 'content-length' ? 'pass' : 'drop'
      case 'moving':
        return passed.has(folded) ? 'pass' : 'drop'
      case 'trace':
        return 'from-trusted'
      case 'application':
        return folded === 'cookie' ? 'cookie' : 'pass'
    }
  }

  return function dispositionOf(name) {
    const found = cached.get(name)
    if (found !== undefined) return found
    const disposition = judge(name)
    if (name.length > longestCachedName) return disposition
    // The whole cache is cleared when it is full: were it only closed, a client could fill it with made-up names and have
    // every real name judged anew for good.
    if (cached.size >= cachedNames) cached.clear()
    cached.set(name, disposition)
    return disposition
  }
}

export interface UpstreamHeadersOptions {
  /** The public origin. */
  readonly publicUrl: string
  /** Sent as `X-Gatehouse-Token`. */
  readonly token?: string | undefined
  /** What is said about an identified user besides id, email and its verification, and besides additional fields. */
  readonly principalHeaders?: readonly PrincipalHeader[]
  readonly policy?: HeaderPolicy
  /** Whether the peer with this address is believed about the trace that a request belongs to. Default: nobody is. */
  readonly isTrusted?: (address: string | undefined) => boolean
}

/** What of a request its headers for the upstream are made of. */
export type HeaderSource = Pick<RequestContext, 'raw' | 'id' | 'clientAddress' | 'identity' | 'cookies'>

/**
 * Makes the headers for one upstream as flat name/value pairs: the gateway's own, then the client's, less everything that
 * only the gateway may say and everything that belongs to one connection (RFC 9110, section 7.6.1). What the client lists
 * in `Connection` can take away its own headers only (CVE-2026-33805).
 */
export function createUpstreamHeaders(options: UpstreamHeadersOptions): (source: HeaderSource) => string[] {
  const { principalHeaders = [], policy = { drop: [], pass: [] }, isTrusted = () => false } = options
  const { host, protocol } = new URL(options.publicUrl)
  const fixed = ['Host', host, 'X-Forwarded-Proto', protocol.slice(0, -1), 'X-Forwarded-Host', host]
  if (options.token !== undefined) fixed.push('X-Gatehouse-Token', options.token)
  const dispositionOf = createDispositions(policy)

  return function upstreamHeaders({ raw, id, clientAddress, identity, cookies }) {
    const { rawHeaders } = raw
    const listed = listedInConnection(raw.headers.connection)
    const headers = fixed.slice()
    headers.push('X-Request-Id', id, 'X-Forwarded-For', clientAddress)
    if (identity !== null) headers.push(...identityHeaders(identity, principalHeaders))
    let others = cookies.others
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] ?? ''
      const disposition = dispositionOf(name)
      if (disposition === 'drop' || listed?.has(name.toLowerCase())) continue
      if (disposition === 'pass') headers.push(name, rawHeaders[i + 1] ?? '')
      else if (disposition === 'from-trusted') {
        if (isTrusted(raw.socket.remoteAddress)) headers.push(name, rawHeaders[i + 1] ?? '')
      } else if (others !== null) {
        // One line for several: HTTP/2 splits a line into several (RFC 9113, section 8.2.3), and FastAPI reads only the last.
        headers.push(name, others)
        others = null
      }
    }
    return headers
  }
}

// Computed once for each identity: the policy's `principalHeaders` are the same for all upstreams of a gateway.
const identityHeadersOf = new WeakMap<Identity, readonly string[]>()

function identityHeaders(identity: Identity, principal: readonly PrincipalHeader[]): readonly string[] {
  const known = identityHeadersOf.get(identity)
  if (known !== undefined) return known
  const headers = [
    'X-User-Id',
    encodeHeaderValue(identity.userId),
    'X-User-Email',
    encodeHeaderValue(identity.email),
    'X-User-Email-Verified',
    String(identity.emailVerified)
  ]
  for (const key of principalNames) {
    const value = key === 'sessionCreatedAt' ? timeOf(identity.signedInAt) : identity[key]
    if (value !== null && principal.includes(key)) headers.push(principalHeaderNames[key], encodeHeaderValue(value))
  }
  // The session was read with the additional fields that the policy names, and with no others.
  for (const [name, value] of Object.entries(identity.told)) headers.push(name, encodeHeaderValue(value))
  identityHeadersOf.set(identity, headers)
  return headers
}

// What is no point in time, as `infinity` in Postgres, cannot be written as one.
function timeOf(ms: number): string | null {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? null : time.toISOString()
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
