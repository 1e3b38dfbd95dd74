import type { IncomingHttpHeaders } from 'node:http'
import { originOf } from './input-limits.ts'

/**
 * Whether a page of this very origin sent a request without naming itself: the forms of a page with `Referrer-Policy:
 * no-referrer` come with `Origin: null` (Fetch standard, "append a request Origin header"). No page can set
 * `Sec-Fetch-Site`, and browsers say `same-origin` of no sandbox and of nothing that came by way of another site.
 */
export function hidesOwnOrigin(headers: Pick<IncomingHttpHeaders, 'origin' | 'sec-fetch-site'>): boolean {
  return headers.origin === 'null' && headers['sec-fetch-site'] === 'same-origin'
}

/**
 * Which site sent a request, as far as its browser says: one of the trusted origins, a `foreign` site, or `unknown`,
 * where no page sent it (somebody typed the address) or no browser did. `Origin` decides; where it is absent, or `null`
 * because a page hides its own origin, `Sec-Fetch-Site` does, and without both `Referer`.
 */
export function requestSource(
  headers: IncomingHttpHeaders,
  trusted: ReadonlySet<string>
): 'trusted' | 'foreign' | 'unknown' {
  const { origin, referer } = headers
  const site = headers['sec-fetch-site']
  if (origin !== undefined) return trusted.has(origin) || hidesOwnOrigin(headers) ? 'trusted' : 'foreign'
  if (site === 'none') return 'unknown'
  if (site !== undefined) return site === 'same-origin' ? 'trusted' : 'foreign'
  if (referer === undefined) return 'unknown'
  return trusted.has(originOf(referer) ?? '') ? 'trusted' : 'foreign'
}
