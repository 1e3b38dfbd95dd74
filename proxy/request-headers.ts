import type { IncomingMessage } from 'node:http'
import type { Identity } from '../auth/identity.ts'
import { withoutBetterAuthCookies } from './cookies.ts'
import { isHopByHop, listedInConnection } from './hop-by-hop.ts'

/** What the upstream can be told about an identified user on demand. */
export const principalHeaderNames = {
  name: 'X-User-Name',
  role: 'X-User-Role',
  sessionId: 'X-Session-Id',
  impersonatedBy: 'X-User-Impersonated-By'
} as const satisfies Partial<Record<keyof Identity, string>>
export type PrincipalHeader = keyof typeof principalHeaderNames

/** What the upstream is told about every request, whoever asks. */
export interface UpstreamFacts {
  /** Flat name/value pairs that are the same for every request: Host, X-Forwarded-Proto, X-Forwarded-Host, the token. */
  readonly constant: readonly string[]
  /** What is said about an identified user besides id, email and its verification. */
  readonly principal: readonly PrincipalHeader[]
}

export function upstreamFacts(
  publicUrl: string,
  token: string | undefined,
  principal: readonly PrincipalHeader[] = []
): UpstreamFacts {
  const { host, protocol } = new URL(publicUrl)
  const constant = ['Host', host, 'X-Forwarded-Proto', protocol.slice(0, -1), 'X-Forwarded-Host', host]
  if (token !== undefined) constant.push('X-Gatehouse-Token', token)
  return { constant, principal }
}

type Disposition = 'pass' | 'drop' | 'cookie'

const dropped = new Set(['host', 'expect', 'trailer', 'x-request-id', 'forwarded', 'x-real-ip'])
const reservedPrefixes = ['x-user-', 'x-session-', 'x-gatehouse-', 'x-forwarded-']

const dispositions = new Map<string, Disposition>()
const dispositionsKept = 512

// Servers and frameworks fold `_`, `.` and case together (CGI, WSGI), so a name counts as what it could be read as.
function dispositionOf(name: string): Disposition {
  const known = dispositions.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  const folded = lower.replaceAll(/[^a-z0-9]/g, '-')
  const disposition =
    lower === 'cookie'
      ? 'cookie'
      : isHopByHop(lower) || dropped.has(folded) || reservedPrefixes.some((prefix) => folded.startsWith(prefix))
        ? 'drop'
        : 'pass'
  // Begun anew, and not left as it is: whoever came first with made-up names would slow all others down for good.
  if (dispositions.size >= dispositionsKept) dispositions.clear()
  dispositions.set(name, disposition)
  return disposition
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
  const listed = listedInConnection(request.headers.connection)
  const headers = facts.constant.slice()
  headers.push('X-Request-Id', about.requestId, 'X-Forwarded-For', about.clientAddress)
  if (about.identity !== null) headers.push(...principalHeaders(about.identity, facts))
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    const disposition = dispositionOf(name)
    if (disposition === 'drop' || listed?.has(name.toLowerCase())) continue
    if (disposition === 'pass') headers.push(name, value)
    else {
      const left = withoutBetterAuthCookies(value)
      if (left !== null) headers.push(name, left)
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
