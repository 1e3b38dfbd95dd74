import type { IncomingHttpHeaders } from 'node:http'
import { originOf } from './input-limits.ts'

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Whether a request of this kind may change something: an unsafe method (RFC 9110, section 9.2.1) or an upgrade. */
export function isUnsafe(method: string, upgrade: boolean): boolean {
  return upgrade || !safeMethods.has(method)
}

/**
 * Whether a browser sent this from a site that is not trusted. `Origin` decides; without it `Sec-Fetch-Site`, without
 * that `Referer`. A request with none of the three does not come from a browser, and is let through.
 */
export function isCrossSite(headers: IncomingHttpHeaders, trusted: ReadonlySet<string>): boolean {
  const { origin, referer } = headers
  if (origin !== undefined) return !trusted.has(origin)
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  if (referer === undefined) return false
  const from = originOf(referer)
  return from === undefined || !trusted.has(from)
}

/**
 * Whether a form was sent from a page of this origin, whoever is signed in: a foreign one could sign a visitor in to
 * somebody else's account. `Origin` decides; without it `Sec-Fetch-Site`, without that `Referer`; every browser sends
 * one of them, and a form without any is nobody's.
 */
export function isOwnForm(headers: IncomingHttpHeaders, publicUrl: string): boolean {
  const { origin, referer } = headers
  if (origin !== undefined) return origin === publicUrl
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  return referer !== undefined && originOf(referer) === publicUrl
}
