import type { FastifyRequest } from 'fastify'
import { isRead } from './http-methods.ts'

/** Mailed links whose GET does what they are for and spends them, by their paths below `/api/auth`. */
export const oneTimeLinks = ['/delete-user/callback', '/magic-link/verify', '/verify-email'] as const

export type OneTimeLink = (typeof oneTimeLinks)[number]

/** Where the page is that asks before a link is spent; its query is the link's. */
export function questionPath(link: OneTimeLink): string {
  return `/auth/link${link}`
}

const questions: ReadonlyMap<string, string> = new Map(
  oneTimeLinks.map((link) => [`/api/auth${link}`, questionPath(link)])
)

/**
 * The page that asks, in place of a link that is opened by nobody who is known here. Mail scanners and previews open every
 * link of a mail, with HEAD or with a GET that has no cookies, and the person would find it used. Undefined for every other
 * request: somebody who is signed in, and a script, which has decided what it does. `sessionCookie` is the cookie's full
 * name.
 */
export function questionAddress(request: FastifyRequest, sessionCookie: string): string | undefined {
  const { method, url, headers, cookies } = request
  if (!isRead(method)) return undefined
  const query = url.indexOf('?')
  const page = questions.get(query === -1 ? url : url.slice(0, query))
  if (page === undefined) return undefined
  const address = query === -1 ? page : page + url.slice(query)
  if (method === 'HEAD') return address
  const mode = headers['sec-fetch-mode']
  const isScript = mode === 'cors' || mode === 'same-origin' || headers.origin !== undefined
  const isPrefetch = [headers['sec-purpose'], headers['purpose']].some(
    (purpose) => purpose?.includes('prefetch') === true
  )
  return (isScript || cookies[sessionCookie] !== undefined) && !isPrefetch ? undefined : address
}
