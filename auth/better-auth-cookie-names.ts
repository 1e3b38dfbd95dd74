/**
 * The prefix of all names of BetterAuth's cookies, up to the dot. On https it begins with `__Host-`. Unless the production
 * rules hold it ends with the public origin's port: browsers keep cookies by the host alone, so that two projects on
 * `localhost` would sign each other out.
 */
export function cookiePrefix(publicUrl: string, production: boolean): string {
  const { protocol, port } = new URL(publicUrl)
  const https = protocol === 'https:'
  const project = production ? '' : `-${port || (https ? 443 : 80)}`
  return `${https ? '__Host-' : ''}better-auth${project}`
}

// All cookies of BetterAuth and of its plugins have this prefix, on https after `__Host-`; the digits are another project's
// port, or yesterday's. Browsers keep `=name=value` as a cookie without a name and send it as `name=value`. Servers trim more
// characters than browsers: Python's `strip` removes U+0085 and U+00A0.
const betterAuthCookie = /^[\s=\u0085]*(?:__host-|__secure-)?better-auth(?:-\d+)?\./i

/** Whether a `Cookie` pair or a `Set-Cookie` value names one of BetterAuth's cookies, of whatever gateway. */
export function isBetterAuthCookie(pair: string): boolean {
  return betterAuthCookie.test(pair)
}

/** What follows the prefix in such a pair: `session_token=…`. Null where it names none of BetterAuth's cookies. */
export function afterPrefix(pair: string): string | null {
  const prefix = betterAuthCookie.exec(pair)
  return prefix === null ? null : pair.slice(prefix[0].length)
}
