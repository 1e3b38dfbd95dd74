import { type RefusalCode, refusals } from '../refusals.ts'
import type { PageAddresses } from './page-addresses.ts'
import { documentOf, html } from './page-markup.ts'
import type { Theme } from './theme.ts'

// Where an error page can lead. `again` leads to the page that was asked for, `switchUser` asks a signed-in person to sign
// in as somebody else, `signInAgain` as the same.
const links = {
  again: ['Try again', (_, next) => next ?? '/'],
  home: ['To the start page', () => '/'],
  account: ['To your account', ({ account }) => account],
  signIn: ['Sign in', ({ signInTo }, next) => signInTo(next)],
  signInAgain: ['Sign in again', ({ signInAgain }, next) => signInAgain(next)],
  switchUser: ['Sign in as somebody else', ({ signInAgain }, next) => signInAgain(next)]
} as const satisfies Record<string, [label: string, hrefTo: (pages: PageAddresses, next: string | undefined) => string]>

type Wording = readonly [title: string, text: string, link?: keyof typeof links]

// What people are told where the words for programs in `refusals` are not theirs.
const wordings: Partial<Record<RefusalCode, Wording>> = {
  PATH_AMBIGUOUS: [
    'Not a valid address',
    'This address could be read in two ways, so nothing is opened. Check it for mistakes, doubled slashes above all.',
    'home'
  ],
  COOKIE_AMBIGUOUS: [
    'Two sign-ins at once',
    'This browser sent two different sign-ins. Clear the cookies of this site, then sign in again.'
  ],
  SESSION_REQUIRED: [
    'Sign in first',
    'You are not signed in, or not any more, so nothing was done. Sign in, go back to where you were, and send it again.',
    'signIn'
  ],
  ORIGIN_FORBIDDEN: [
    'Sent from another site',
    'This came from another site, so nothing was done. Open the page here and send it from there.',
    'home'
  ],
  // No link: somebody who asks by an address of their own choosing need not learn the public one.
  HOST_UNKNOWN: [
    'Not at this address',
    'Nothing is served under this address. Ask for the right one where you have it from.'
  ],
  NOT_FOUND: ['Page not found', 'There is nothing at this address. Check it for mistakes.', 'home'],
  BODY_TOO_LARGE: ['Too large', 'What you sent is larger than this site accepts. Send less at once.'],
  RATE_LIMITED: ['Too many attempts', 'There were too many attempts.', 'again'],
  INTERNAL_ERROR: [
    'Something went wrong',
    'This failed on our side. Try again. If it stays, tell the people who run this site the request number below.',
    'again'
  ],
  UPSTREAM_UNREACHABLE: [
    'Not available right now',
    'The application cannot be reached. Try again in a moment.',
    'again'
  ],
  UPSTREAM_FAILED: ['Not available right now', 'The application broke off. Try again in a moment.', 'again'],
  SESSION_STORE_UNAVAILABLE: [
    'Not available right now',
    'We cannot check who is signed in at the moment. Nobody was signed out: try again in a moment.',
    'again'
  ],
  UPSTREAM_TIMEOUT: ['Too slow', 'The application did not answer in time. Try again in a moment.', 'again']
}

export interface ErrorPageOptions {
  readonly addresses: PageAddresses
  readonly code: RefusalCode
  /** What the operator can find in the log. */
  readonly requestId: string
  /** The page that was asked for, where it can be asked for again. */
  readonly next: string | undefined
  /** Seconds. */
  readonly retryAfter?: number | undefined
}

/** A refusal as a page. It needs neither the database nor the upstream, which may be what is away. */
export function errorPage(theme: Theme, options: ErrorPageOptions): string {
  const { addresses, code, requestId, next, retryAfter = 1 } = options
  const [status, ...words] = refusals[code]
  const [title, text, link] = wordings[code] ?? words
  const seconds = Math.max(1, Math.ceil(retryAfter))
  const wait = ` Wait ${seconds === 1 ? 'a second' : `${seconds} seconds`}, then try again.`
  const anchors = linksFor(code, status, link).map((name, i) => {
    const [label, hrefTo] = links[name]
    return html`<a class="${i === 0 ? 'button' : 'button quiet'}" href="${hrefTo(addresses, next)}">${label}</a>`
  })
  const main = html`<div class="card refusal">
<p class="status">${status}</p>
<h1>${title}</h1>
<p>${text}${code === 'RATE_LIMITED' && wait}</p>
${anchors.length > 0 && html`<p class="ways">${anchors}</p>`}
<p class="hint">${code}<br>Request <code>${requestId}</code></p>
</div>`
  return documentOf(theme, { title, main, script: false })
}

// A signed-in person who is refused can sign in as somebody else, or again, or see to their account.
function linksFor(code: RefusalCode, status: number, link: keyof typeof links | undefined): (keyof typeof links)[] {
  if (link !== undefined) return [link]
  if (code === 'SESSION_NOT_FRESH') return ['signInAgain']
  return status === 403 ? ['account', 'switchUser'] : []
}
