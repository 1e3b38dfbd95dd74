import { afterPrefix, isBetterAuthCookie, withTokenNames } from './cookie-header.ts'

export type BetterAuthCookies = ReturnType<typeof createBetterAuthCookies>

/**
 * The one place that BetterAuth's cookies and its plugins' pass, on their way to it and to the browser. `prefix` is that
 * of their names, up to the dot.
 */
export function createBetterAuthCookies(prefix: string) {
  const own = `${prefix}.`

  function named(setCookie: string): string {
    const rest = afterPrefix(setCookie)
    // What scripts are to read they look for under the name that the plugin gave it.
    if (rest === null || !isHttpOnly.test(setCookie)) return setCookie
    return own.startsWith('__Host-') ? withHostAttributes(own + rest) : own + rest
  }

  return {
    /**
     * A `Cookie` header as BetterAuth sees it: only names that are tokens, and of those that begin like BetterAuth's only
     * this gateway's. A neighbour's on the same host, or those of yesterday's port, would be counted by a plugin that
     * looks through all names, and expired by it.
     */
    forBetterAuth(header: string): string {
      const isForeign = (pair: string) => isBetterAuthCookie(pair) && !pair.trimStart().startsWith(own)
      const pairs = withTokenNames(header).split(';')
      return pairs
        .filter((pair) => !isForeign(pair))
        .join(';')
        .trimStart()
    },

    /**
     * `Set-Cookie` values as the browser is sent them. Whatever names one of BetterAuth's cookies has this gateway's
     * prefix: multi-session expires its cookies under names in lower case and knows `__Secure-` alone, and browsers tell
     * `__host-` from `__Host-`. Of several values for one name the last is left, which is the one that counts.
     */
    forBrowser(setCookies: readonly string[]): string[] {
      const byName = new Map<string, string>()
      for (const setCookie of setCookies.map(named)) {
        const name = setCookie.slice(0, setCookie.indexOf('='))
        byName.delete(name)
        byName.set(name, setCookie)
      }
      return [...byName.values()]
    }
  }
}

const isHttpOnly = /;\s*httponly\s*(?:;|$)/i

// Browsers take a `__Host-` cookie only with these attributes (RFC 6265bis, section 4.1.3.2).
function withHostAttributes(setCookie: string): string {
  const [pair, ...attributes] = setCookie.split(';')
  const others = attributes.filter((attribute) => !/^\s*(?:domain|path|secure)\s*(?:=|$)/i.test(attribute))
  return [pair, ' Path=/', ...others, ' Secure'].join(';')
}
