import type { IncomingHttpHeaders } from 'node:http'
import { originOf } from './input-limits.ts'

/**
 * Which site sent a request, as far as its browser says: one of the trusted origins, a `foreign` site, or `unknown`,
 * where no page sent it (somebody typed the address) or no browser did. `Origin` decides; without it `Sec-Fetch-Site`,
 * and without that `Referer`.
 */
export function requestSource(
  headers: IncomingHttpHeaders,
  trusted: ReadonlySet<string>
): 'trusted' | 'foreign' | 'unknown' {
  const { origin, referer } = headers
  const site = headers['sec-fetch-site']
  if (origin !== undefined) return trusted.has(origin) ? 'trusted' : 'foreign'
  if (site === 'none') return 'unknown'
  if (site !== undefined) return site === 'same-origin' ? 'trusted' : 'foreign'
  if (referer === undefined) return 'unknown'
  return trusted.has(originOf(referer) ?? '') ? 'trusted' : 'foreign'
}
