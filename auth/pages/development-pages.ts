import { BlockList, isIPv6 } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { requestSource } from '../cross-site.ts'
import { spendSignInToken } from '../development-sign-in.ts'
import { cookiesFor, headersWithoutCookies } from '../fetch-bridge.ts'
import { foldHeaderName, kindOfHeader } from '../header-kinds.ts'
import { Refusal } from '../refusals.ts'
import { valuesOf } from './form-submission.ts'
import { type FormError, formError } from './messages.ts'
import { cardPage } from './onward.ts'
import { fromStore, type PageContext, pageRoute, redirect, sendPage } from './page-helpers.ts'
import { alertBox, type Html, hidden, html, type Page } from './page-markup.ts'

/** A mail that the policy has no sender for. */
export interface DevelopmentMail {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly to: string
  readonly subject: string
  /** The link in it. */
  readonly url?: string | undefined
  /** The code in it. */
  readonly code?: string | undefined
}

/** What the pages show that are there in development alone. */
export interface DevelopmentPages {
  /** The latest last. */
  readonly mails: () => readonly DevelopmentMail[]
}

// What proxies and the networks of hosters add, beyond the names that the gateway keeps from the app.
const hopHeaders = new Set(['via', 'cdn-loop'])
const hopPrefixes = ['cf-', 'x-amz-', 'x-amzn-', 'fly-', 'x-vercel-']

const thisMachine = new BlockList()
thisMachine.addSubnet('127.0.0.0', 8, 'ipv4')
thisMachine.addAddress('::1', 'ipv6')

/**
 * Whether a request shows a way over some other host: a tunnel to this machine would show these pages to the world. No
 * browser speaks HTTP/1.0, which nginx does by default.
 */
function showsAProxy({ headers, raw }: FastifyRequest): boolean {
  const address = raw.socket.remoteAddress ?? ''
  return (
    raw.httpVersion !== '1.1' ||
    !thisMachine.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') ||
    Object.keys(headers).some((name) => isOfAHop(foldHeaderName(name)))
  )
}

function isOfAHop(folded: string): boolean {
  const kind = kindOfHeader(folded)
  const isKnown = kind === 'reserved' || kind === 'moving' || hopHeaders.has(folded)
  return isKnown || hopPrefixes.some((prefix) => folded.startsWith(prefix))
}

/**
 * The pages of `gatehouse dev`: what would have been mailed, and the sign-in by a link that was printed in the terminal.
 * They are there for the public origin's own host alone, and for nobody who comes from another site or, as far as
 * that shows, over a proxy.
 */
export function developmentRoutes(app: FastifyInstance, context: PageContext, { mails }: DevelopmentPages): void {
  const { addresses, publicUrl } = context
  const ownOrigin = new Set([publicUrl])
  const { host: ownHost } = new URL(publicUrl)

  async function requireOwnBrowser(request: FastifyRequest): Promise<void> {
    const { headers } = request
    const isElsewhere =
      headers.host?.toLowerCase() !== ownHost || requestSource(headers, ownOrigin) === 'foreign' || showsAProxy(request)
    if (isElsewhere) throw new Refusal('NOT_FOUND')
  }
  const route = { ...pageRoute, onRequest: requireOwnBrowser }

  app.get(addresses.developmentMail, route, async function showMails(_request, reply) {
    return sendPage(reply, context, mailPage(mails().toReversed()))
  })

  app.get(addresses.developmentSignIn, route, async function askFirst(request, reply) {
    const { token = '' } = valuesOf(request.query)
    return sendPage(reply, context, signInPage(addresses.developmentSignIn, token))
  })

  app.post(addresses.developmentSignIn, route, async function signIn(request, reply) {
    const { token = '' } = valuesOf(request.body)
    const headers = headersWithoutCookies(request, publicUrl)
    const sent = cookiesFor(request)
    if (sent !== '') headers.set('cookie', sent)
    const authContext = await context.auth.$context
    const cookies = await fromStore(() => spendSignInToken(authContext, headers, token))
    if (cookies === undefined) {
      const error = formError(400, 'INVALID_TOKEN')
      return sendPage(reply, context, signInPage(addresses.developmentSignIn, '', error), error)
    }
    for (const cookie of cookies) reply.header('set-cookie', cookie)
    return redirect(reply, addresses.account)
  })
}

function signInPage(address: string, token: string, error?: FormError): Page {
  const card = html`${alertBox(error)}
<p>Press the button to sign in with the link that was printed in the terminal.</p>
<form method="post" action="${address}">${hidden('token', token)}<button type="submit">Sign in</button></form>`
  return { ...cardPage('Sign in', card), script: false }
}

function mailPage(mails: readonly DevelopmentMail[]): Page {
  const main = html`<h1>Mails</h1>
<p>What would have been mailed, if the policy had a sender for it: the latest first, until <code>gatehouse dev</code> ends.</p>
${mails.length === 0 ? html`<div class="card"><p>There is none yet.</p></div>` : mails.map(mailCard)}`
  return { title: 'Mails', main, script: false }
}

function mailCard({ at, to, subject, url, code }: DevelopmentMail): Html {
  return html`<article class="card">
<h2>${subject}</h2>
<p>To <strong>${to}</strong>, <time>${new Date(at).toISOString()}</time></p>
${code !== undefined && html`<p>Code: <code>${code}</code></p>`}
${url !== undefined && linkTo(url)}
</article>`
}

function linkTo(url: string): Html {
  const protocol = URL.parse(url)?.protocol
  if (protocol !== 'http:' && protocol !== 'https:') return html`<p><code>${url}</code></p>`
  return html`<p><a href="${url}" rel="noreferrer">${url}</a></p>`
}
