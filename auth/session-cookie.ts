import { createHmac, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** What the name of every cookie of BetterAuth's begins with, up to the dot: `__Host-` on https. */
export function cookiePrefix(publicUrl: string | undefined): string {
  return publicUrl?.startsWith('https:') === true ? '__Host-better-auth' : 'better-auth'
}

/** What a request's `Cookie` header says about one cookie. `ambiguous`: the name came twice with different values. */
export type CookieReading =
  | { readonly kind: 'absent' }
  | { readonly kind: 'present'; readonly value: string }
  | { readonly kind: 'ambiguous' }

/** A cookie whose signature holds. `key` is the one spelling under which its session may be cached. */
export interface VerifiedCookie {
  readonly token: string
  readonly key: string
}

const absent: CookieReading = Object.freeze({ kind: 'absent' })
const ambiguous: CookieReading = Object.freeze({ kind: 'ambiguous' })
const signatureBytes = 32
const signatureLength = 44
// Of what is no longer than any real one, so that strangers fill no more than this times a few hundred bytes.
const forgeriesKept = 1_000
const longestKept = 256

/**
 * Reads one cookie out of a `Cookie` header (RFC 6265, section 5.4), without decoding it. The same value twice is one
 * cookie; two different values are `ambiguous`, because BetterAuth would believe the first and others the last.
 */
export function readCookie(header: string | undefined, name: string): CookieReading {
  if (header === undefined || !header.includes(name)) return absent
  let found: string | undefined
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals === -1 || withoutSpace(pair.slice(0, equals)) !== name) continue
    const value = withoutSpace(pair.slice(equals + 1))
    if (found !== undefined && found !== value) return ambiguous
    found = value
  }
  return found === undefined ? absent : { kind: 'present', value: found }
}

// Spaces and tabs (RFC 6265, section 5.2). `trim` would take a no-break space for one too, which to a browser is a part of
// the name: a sibling domain, which cannot plant a `__Host-` cookie, can plant one with a no-break space before that.
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
 * A `Cookie` header for BetterAuth, which trims names as `readCookie` does not: without the cookies whose names are no
 * tokens (RFC 6265, section 4.1.1), as all of its own are.
 */
export function withTokenNames(header: string): string {
  return header
    .split(';')
    .filter((pair) => tokenName.test(pair))
    .join(';')
    .trimStart()
}

/** Signs and verifies BetterAuth's cookie values: `encodeURIComponent(token + '.' + base64(HMAC-SHA256(secret, token)))`. */
export interface CookieSigner {
  /** The value BetterAuth would send for this token. */
  sign(token: string): string
  /**
   * The token, when the signature holds; otherwise null. Constant time in the signature, no store is asked. What was
   * found forged stays forged, so a flood of one cookie, or a crowd whose secret was changed, costs one HMAC each.
   */
  verify(value: string): VerifiedCookie | null
}

export function createCookieSigner(secret: string): CookieSigner {
  const hmac = (token: string) => createHmac('sha256', secret).update(token).digest()
  const forgeries = new LRUCache<string, true>({ max: forgeriesKept })
  const spell = (token: string, signature: Buffer) => encodeURIComponent(`${token}.${signature.toString('base64')}`)

  return {
    sign: (token) => spell(token, hmac(token)),

    verify(value) {
      if (forgeries.get(value) === true) return null
      const decoded = decode(value)
      if (decoded === null) return null
      const dot = decoded.lastIndexOf('.')
      const token = decoded.slice(0, dot)
      const spelled = decoded.slice(dot + 1)
      if (dot < 1 || spelled.length !== signatureLength) return null
      const given = Buffer.from(spelled, 'base64')
      // Base64 leaves two bits of the last digit unused, so four spellings carry one signature. Only BetterAuth's own
      // counts: otherwise one session would sit in the cache four times and an eviction would leave three behind.
      if (given.length !== signatureBytes || given.toString('base64') !== spelled) return null
      const expected = hmac(token)
      if (!timingSafeEqual(given, expected)) {
        // A copy: as the part of a header that it is, it would keep all of it.
        if (value.length <= longestKept) forgeries.set(Buffer.from(value, 'latin1').toString('latin1'), true)
        return null
      }
      return { token, key: spell(token, expected) }
    }
  }
}

function decode(value: string): string | null {
  if (!value.includes('%')) return value
  try {
    return decodeURIComponent(value)
  } catch {
    return null
  }
}
