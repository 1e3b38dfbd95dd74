import type { FastifyRequest } from 'fastify'
import { isRead } from './http-methods.ts'

/** Mailed links whose GET does what they are for and spends them, by their paths below BetterAuth's. */
export const oneTimeLinks = ['/delete-user/callback', '/magic-link/verify', '/verify-email'] as const

export type OneTimeLink = (typeof oneTimeLinks)[number]

export interface QuestionOptions {
  /** The path that BetterAuth is below. */
  readonly basePath: string
  /** The path of the pages that ask, each below it by the link's own path. */
  readonly linksPath: string
  /** The session cookie's full name, prefix included. */
  readonly sessionCookie: string
}

/**
 * Makes the function that finds the page that asks, in place of a link that is opened by nobody who is known here. Mail
 * scanners and previews open every link of a mail, with HEAD or with a GET that has no cookies, and the person would find
 * it used. Undefined for every other request: somebody who is signed in, and a script, which has decided what it does.
 */
export function createQuestionAddress({ basePath, linksPath, sessionCookie }: QuestionOptions) {
  const questions = new Map(oneTimeLinks.map((link): [string, string] => [basePath + link, linksPath + link]))
  return function questionAddress({ method, url, headers, cookies }: FastifyRequest): string | undefined {
    if (!isRead(method)) return undefined
    const query = url.indexOf('?')
    const page = questions.get(query === -1 ? url : url.slice(0, query))
    if (page === undefined) return undefined
    const address = query === -1 ? page : page + url.slice(query)
    if (method === 'HEAD') return address
    const mode = headers['sec-fetch-mode']
    const isScript = mode === 'cors' || mode === 'same-origin' || headers.origin !== undefined
    const purposes = [headers['sec-purpose'], headers['purpose']]
    const isPrefetch = purposes.some((purpose) => purpose?.includes('prefetch') === true)
    return (isScript || cookies[sessionCookie] !== undefined) && !isPrefetch ? undefined : address
  }
}
