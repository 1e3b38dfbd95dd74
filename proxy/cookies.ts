// Every cookie of BetterAuth's, its plugins' included, carries this prefix; on https `__Host-` stands before it. Browsers
// keep `=name=value` as a cookie without a name, and send it as `name=value`; and servers trim more than browsers do, as
// Python's `strip` does with U+0085 and U+00A0.
const betterAuthCookie = /^[\s=\u0085]*(?:__host-|__secure-)?better-auth\./i

/** Whether a `Cookie` pair or a `Set-Cookie` value names one of BetterAuth's cookies. */
export function isBetterAuthCookie(pair: string): boolean {
  return betterAuthCookie.test(pair)
}

/** A `Cookie` header without BetterAuth's cookies; the others keep their bytes and order. Null when none is left. */
export function withoutBetterAuthCookies(header: string): string | null {
  if (!header.includes(';')) return isBetterAuthCookie(header) ? null : header
  if (!/better-auth\./i.test(header)) return header
  const left = header.split(';').filter((pair) => !isBetterAuthCookie(pair))
  const rest = left.join(';').trimStart()
  return rest === '' ? null : rest
}

// What `"*"` stands for in `Clear-Site-Data` (W3C Clear Site Data, section 3.1), less the cookies.
const everythingButCookies = ['cache', 'clientHints', 'executionContexts', 'prefetchCache', 'prerenderCache', 'storage']
  .map((type) => `"${type}"`)
  .join(', ')

/**
 * A `Clear-Site-Data` header that leaves the browser its cookies, BetterAuth's being among them. Null when that was all
 * it was to clear.
 */
export function withoutCookieClearing(header: string): string | null {
  if (!/cookies|\*/i.test(header)) return header
  const left = header
    .split(',')
    .map((directive) => directive.trim())
    .filter((directive) => !/cookies/i.test(directive))
    .map((directive) => (directive.includes('*') ? everythingButCookies : directive))
  return left.length === 0 ? null : left.join(', ')
}
