import type { FastifyReply, FastifyRequest } from 'fastify'
import { liesUnder } from '../own-paths.ts'
import { type Values, valuesOf } from './form-submission.ts'
import { type PageAddresses, withNext } from './page-addresses.ts'
import { type PageContext, redirect, sendPage } from './page-helpers.ts'
import { type Html, hidden, html, type Page } from './page-markup.ts'
import { returnAddress } from './return-address.ts'

/** Where a person goes on to once they are signed in. Every form and link of the sign-in pages hands it on. */
export interface Onward {
  /** An address on this origin. */
  readonly next?: string | undefined
  /** What an application that signs its people in here has asked for, signed by BetterAuth's OAuth provider; it goes first. */
  readonly oauthQuery?: string | undefined
}

const longestQuery = 8_192
// The provider names in this parameter what it has signed. What was added to the address since is none of its business.
const signedNames = 'ba_param'

/** The signed query among a page's parameters; undefined where there is none. BetterAuth verifies it, not these pages. */
function signedQuery(parameters: URLSearchParams): string | undefined {
  const names = new Set(parameters.getAll(signedNames))
  if (names.size === 0 || !parameters.has('sig')) return undefined
  const signed = [...parameters].filter(([name]) => name === 'sig' || name === signedNames || names.has(name))
  const query = new URLSearchParams(signed).toString()
  return query.length > longestQuery ? undefined : query
}

/** What a page's address or form says of where it leads on to. */
export function onwardOf(request: FastifyRequest, publicUrl: string, addresses: PageAddresses): Onward {
  const { body } = request
  const form = body instanceof URLSearchParams
  const { next, oauth_query: carried = '' } = valuesOf(form ? body : request.query)
  const parameters = form ? new URLSearchParams(carried) : new URL(request.url, publicUrl).searchParams
  return { next: returnAddress(next, publicUrl, addresses), oauthQuery: signedQuery(parameters) }
}

/** A page's address with where it leads on to. */
export function withOnward(path: string, { next, oauthQuery }: Onward): string {
  return withNext(path, next, oauthQuery)
}

/** The same in a form. */
export function hiddenOnward({ next, oauthQuery }: Onward): Html {
  return html`${hidden('next', next)}${hidden('oauth_query', oauthQuery)}`
}

/**
 * Where somebody who is signed in already goes on to without signing in again: undefined where the application asks for
 * exactly that, or for nothing. BetterAuth is below `basePath`.
 */
export function authorizationAddress({ oauthQuery }: Onward, basePath: string): string | undefined {
  const query = new URLSearchParams(oauthQuery)
  if (oauthQuery === undefined || query.has('prompt') || query.has('max_age')) return undefined
  for (const name of [...query.keys()])
    if (name === 'sig' || name === 'exp' || name.startsWith('ba_')) query.delete(name)
  return `${basePath}/oauth2/authorize?${query}`
}

/** What BetterAuth is told of it, so that its OAuth provider goes on by itself once there is a session. */
export function oauthFields({ oauthQuery }: Onward): Values {
  return oauthQuery === undefined ? {} : { oauth_query: oauthQuery }
}

/**
 * Where a person who has signed in goes on to: to the address that the OAuth provider has answered with in place of
 * BetterAuth, which would tell a token, or else to `next`.
 */
export function addressAfter(
  body: Readonly<Record<string, unknown>>,
  { next, oauthQuery }: Onward
): string | undefined {
  const { redirect: goesOn, url, token } = body
  const fromProvider = oauthQuery !== undefined && token === undefined && goesOn === true
  return fromProvider && typeof url === 'string' ? url : next
}

// What a browser would run or show rather than go to.
const noAddresses = new Set(['about:', 'blob:', 'data:', 'file:', 'javascript:', 'vbscript:', 'view-source:'])

/**
 * Leads on after a form was accepted: redirects within these pages, and goes by a page between to everything else, other
 * origins and applications included, whose address BetterAuth has judged.
 */
export function leave(
  reply: FastifyReply,
  context: PageContext,
  { to, title, otherwise = context.addresses.account }: { to: string | undefined; title: string; otherwise?: string }
): FastifyReply {
  const url = to === undefined ? null : URL.parse(to, context.publicUrl)
  if (to === undefined || url === null || noAddresses.has(url.protocol)) return redirect(reply, otherwise)
  const isHere = url.origin === new URL(context.publicUrl).origin
  const path = url.pathname + url.search + url.hash
  if (isHere && liesUnder(url.pathname, context.addresses.path)) return redirect(reply, path)
  const text = 'You go on to where you wanted to be.'
  // `/.//evil.example` is an address of this origin, and by its path alone one of another.
  const address = path.startsWith('//') ? url.href : path
  return sendPage(reply, context, departurePage(title, text, 'Go on', isHere ? address : to))
}

/**
 * The page between a form and an address outside these pages. Browsers hold every redirect that follows a form against
 * `form-action`, which allows this origin alone; a page may lead anywhere.
 */
export function departurePage(title: string, text: string, link: string, url: string): Page {
  const card = html`<p>${text}</p>
<a class="button" href="${url}" rel="noreferrer">${link}</a>`
  return { ...cardPage(title, card), refreshTo: url }
}

/** A page with one card, and with what leads elsewhere below it. */
export function cardPage(title: string, card: Html, aside?: Html | false): Page {
  const main = html`<div class="card">
<h1>${title}</h1>
${card}
</div>
${aside && html`<p class="aside">${aside}</p>`}`
  return { title, main }
}
