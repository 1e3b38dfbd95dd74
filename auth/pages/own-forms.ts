import type { IncomingHttpHeaders } from 'node:http'
import { originOf } from '../authorities.ts'

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
