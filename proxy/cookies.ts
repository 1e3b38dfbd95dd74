// Every cookie of BetterAuth's, its plugins' included, carries this prefix; on https `__Host-` stands before it. Browsers
// keep `=name=value` as a cookie without a name, and send it as `name=value`.
const betterAuthCookie = /^[\s=]*(?:__host-|__secure-)?better-auth\./i

/** Whether a `Cookie` pair or a `Set-Cookie` value names one of BetterAuth's cookies. */
export function isBetterAuthCookie(pair: string): boolean {
  return betterAuthCookie.test(pair)
}

/** A `Cookie` header without BetterAuth's cookies; the others keep their bytes and order. Null when none is left. */
export function withoutBetterAuthCookies(header: string): string | null {
  if (!/better-auth\./i.test(header)) return header
  const left = header.split(';').filter((pair) => !isBetterAuthCookie(pair))
  const rest = left.join(';').trimStart()
  return rest === '' ? null : rest
}
