import { isBetterAuthCookie, withTokenNames } from './cookie-header.ts'

export type BetterAuthCookies = ReturnType<typeof createBetterAuthCookies>

/**
 * The one place that BetterAuth's cookies pass on their way to it. `prefix` is that
 * of their names, up to the dot.
 */
export function createBetterAuthCookies(prefix: string) {
  const own = `${prefix}.`

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
    }
  }
}
