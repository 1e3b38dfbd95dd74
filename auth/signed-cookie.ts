import { createHmac, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** A cookie whose signature is valid. `key` is its canonical spelling, under which the session's decision is cached. */
export interface VerifiedCookie {
  readonly token: string
  readonly key: string
  /** It was signed with the previous secret; `key` is its value as the current one signs it. */
  readonly isOutdated: boolean
}

/** Of an HMAC-SHA256 in base64. */
const signatureLength = 44
// Only values no longer than any real one are remembered, so that forged cookies fill at most 256 KB.
const forgeriesKept = 1_000
const longestKept = 256

export type CookieSigner = ReturnType<typeof createCookieSigner>

/**
 * Signs and verifies BetterAuth's cookie values: `encodeURIComponent(token + '.' + base64(HMAC-SHA256(secret, token)))`.
 * What the `previous` secret signed is valid too.
 */
export function createCookieSigner(secret: string, previous?: string) {
  const sign = (token: string, key = secret) => createHmac('sha256', key).update(token).digest('base64')
  const forgeries = new LRUCache<string, true>({ max: forgeriesKept })

  return {
    /** The value that BetterAuth would send for this token. */
    sign: (token: string): string => encodeURIComponent(`${token}.${sign(token)}`),
    /** Whether there is a previous secret. */
    isRotating: previous !== undefined,

    /**
     * The token, when the signature is valid; otherwise null. Takes constant time in the signature and reads no store. A
     * forged value is remembered, so that repeating it, or a cookie that an earlier secret signed, costs nothing more.
     */
    verify(value: string): VerifiedCookie | null {
      if (forgeries.get(value) === true) return null
      const decoded = decode(value)
      if (decoded === null) return null
      const dot = decoded.lastIndexOf('.')
      const token = decoded.slice(0, dot)
      // Compared as text: base64 leaves two bits of the last digit unused, so one signature has four spellings, and only
      // BetterAuth's is valid.
      const signature = Buffer.from(decoded.slice(dot + 1))
      if (dot < 1 || signature.length !== signatureLength) return null
      const expected = sign(token)
      const isCurrent = timingSafeEqual(signature, Buffer.from(expected))
      const isOutdated =
        !isCurrent && previous !== undefined && timingSafeEqual(signature, Buffer.from(sign(token, previous)))
      if (!isCurrent && !isOutdated) {
        // A copy: a slice of the header would keep the whole header in memory.
        if (value.length <= longestKept) forgeries.set(Buffer.from(value, 'latin1').toString('latin1'), true)
        return null
      }
      return { token, key: encodeURIComponent(`${token}.${expected}`), isOutdated }
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
