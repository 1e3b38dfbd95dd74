import { isBetterAuthCookie } from './better-auth-cookie-names.ts'

/** What a request's `Cookie` header says about one cookie. `ambiguous`: the name came twice with different values. */
export type CookieReading =
  | { readonly kind: 'absent' }
  | { readonly kind: 'present'; readonly value: string }
  | { readonly kind: 'ambiguous' }

const absent: CookieReading = Object.freeze({ kind: 'absent' })
const ambiguous: CookieReading = Object.freeze({ kind: 'ambiguous' })

/**
 * Reads one cookie out of a `Cookie` header (RFC 6265, section 5.4), without decoding it. The same value twice is one
 * cookie; two different values are `ambiguous`, because BetterAuth would believe the first and others the last.
 */
export function readCookie(header: string | undefined, name: string): CookieReading {
  if (header === undefined || !header.includes(name)) return absent
  let reading = absent
  for (const pair of header.split(';')) reading = withPair(reading, pair, name)
  return reading
}

function withPair(before: CookieReading, pair: string, name: string): CookieReading {
  const equals = pair.indexOf('=')
  if (equals === -1 || withoutSpace(pair.slice(0, equals)) !== name) return before
  const value = withoutSpace(pair.slice(equals + 1))
  if (before.kind === 'absent') return { kind: 'present', value }
  return before.kind === 'present' && before.value === value ? before : ambiguous
}

/** What a request's `Cookie` header holds for the gateway and for upstreams. */
export interface CookieHeader {
  readonly session: CookieReading
  /** The header without BetterAuth's cookies; the others keep their bytes and order. Null where none is left. */
  readonly others: string | null
}

const noCookies: CookieHeader = Object.freeze({ session: absent, others: null })

/** Reads a `Cookie` header once, for the session cookie of this name and for what upstreams are sent. */
export function readCookieHeader(header: string | undefined, sessionName: string): CookieHeader {
  if (header === undefined) return noCookies
  let session = absent
  const others: string[] = []
  let found = false
  for (const pair of header.split(';')) {
    if (!isBetterAuthCookie(pair)) others.push(pair)
    else {
      found = true
      session = withPair(session, pair, sessionName)
    }
  }
  if (!found) return { session, others: header }
  const rest = others.join(';').replace(/^[; ]+/, '')
  return { session, others: rest === '' ? null : rest }
}

// Removes spaces and tabs (RFC 6265, section 5.2) and nothing else. `trim` would also remove a no-break space, which browsers
// count as a part of the name: a sibling domain can set no `__Host-` cookie, but one with a no-break space in front.
function withoutSpace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

const tokenName = /^[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*=/

/**
 * The `Cookie` header without those cookies whose names are no tokens (RFC 6265, section 4.1.1). BetterAuth would trim such
 * a name to that of a cookie of its own.
 */
export function withTokenNames(header: string): string {
  return header
    .split(';')
    .filter((pair) => tokenName.test(pair))
    .join(';')
    .trimStart()
}
