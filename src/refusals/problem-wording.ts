import type { RefusalCode } from '../../auth/refusals.ts'
import type { Problem } from './problem.ts'

type Personal = readonly [title: string, text: string, ...ways: readonly WayOut[]]

/** Where to, and what the link says. */
export type WayOut = readonly [to: WayTo, label: string]

/** Where a page about a refusal can lead. `again`: to what was asked for; `signInAgain`: also for who is signed in. */
export type WayTo = 'again' | 'home' | 'account' | 'signIn' | 'signInAgain'

const tryAgain = ['again', 'Try again'] as const
const goHome = ['home', 'To the start page'] as const

/** The same for people, where they need other words than programs. */
const personal: Partial<Record<RefusalCode, Personal>> = {
  PATH_AMBIGUOUS: [
    'Not a valid address',
    'This address could be read in two ways, so nothing is opened. Check it for mistakes, doubled slashes above all.',
    goHome
  ],
  COOKIE_AMBIGUOUS: [
    'Two sign-ins at once',
    'This browser sent two different sign-ins. Clear the cookies of this site, then sign in again.'
  ],
  SESSION_REQUIRED: [
    'Sign in first',
    'You are not signed in, or not any more, so nothing was done. Sign in, go back to where you were, and send it again.',
    ['signIn', 'Sign in']
  ],
  ORIGIN_FORBIDDEN: [
    'Sent from another site',
    'This came from another site, so nothing was done. Open the page here and send it from there.',
    goHome
  ],
  // Without a way there: who asks by a number or a name of their own need not learn ours.
  HOST_UNKNOWN: [
    'Not at this address',
    'Nothing is served under this address. Ask for the right one where you have it from.'
  ],
  NOT_FOUND: ['Page not found', 'There is nothing at this address. Check it for mistakes.', goHome],
  BODY_TOO_LARGE: ['Too large', 'What you sent is larger than this site accepts. Send less at once.'],
  RATE_LIMITED: ['Too many attempts', 'There were too many attempts.', tryAgain],
  INTERNAL_ERROR: [
    'Something went wrong',
    'This failed on our side. Try again. If it stays, tell the people who run this site the request number below.',
    tryAgain
  ],
  UPSTREAM_UNREACHABLE: [
    'Not available right now',
    'The application cannot be reached. Try again in a moment.',
    tryAgain
  ],
  UPSTREAM_FAILED: ['Not available right now', 'The application broke off. Try again in a moment.', tryAgain],
  SESSION_STORE_UNAVAILABLE: [
    'Not available right now',
    'We cannot check who is signed in at the moment. Nobody was signed out: try again in a moment.',
    tryAgain
  ],
  UPSTREAM_TIMEOUT: ['Too slow', 'The application did not answer in time. Try again in a moment.', tryAgain]
}

/** A refusal in words for a person, and where to go from there. `retryAfter` is in seconds. */
export function personalWording(
  { code, status, title, detail }: Problem,
  retryAfter?: number
): { title: string; text: string; ways: readonly WayOut[] } {
  const [name, sentence, ...ways] = personal[code] ?? [title, detail, ...usualWays(code, status)]
  const seconds = Math.max(1, Math.ceil(retryAfter ?? 1))
  const wait =
    code === 'RATE_LIMITED' ? ` Wait ${seconds === 1 ? 'a second' : `${seconds} seconds`}, then try again.` : ''
  return { title: name, text: sentence + wait, ways }
}

const stale: ReadonlySet<string> = new Set(['SESSION_NOT_FRESH'])

// Who is refused although signed in can be somebody else, be asked once more, or see to their account.
function usualWays(code: RefusalCode, status: number): WayOut[] {
  if (status !== 403) return []
  if (stale.has(code)) return [['signInAgain', 'Sign in again']]
  return [
    ['account', 'To your account'],
    ['signInAgain', 'Sign in as somebody else']
  ]
}
