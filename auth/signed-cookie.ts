import { createHmac, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** A cookie whose signature holds. `key` is the one spelling under which its session may be cached. */
export interface VerifiedCookie {
  readonly token: string
  readonly key: string
}

const signatureBytes = 32
const signatureLength = 44
// Of what is no longer than any real one, so that strangers fill no more than this times a few hundred bytes.
const forgeriesKept = 1_000
const longestKept = 256

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
