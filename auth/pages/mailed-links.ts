import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { OneTimeLink } from '../confirm-mailed-link.ts'
import type { FormError } from './messages.ts'
import { cardPage, leave } from './onward.ts'
import type { PageAddresses } from './page-addresses.ts'
import { identify, type PageContext, pageRoute, sendPage } from './page-helpers.ts'
import { alertBox, html, type Page } from './page-markup.ts'

/** What a page asks before a mailed link is spent, and where it leads on to where the link says nothing. */
interface Question {
  readonly link: OneTimeLink
  readonly title: string
  readonly text: string
  readonly button: string
  readonly danger?: true
  readonly otherwise: (addresses: PageAddresses) => string
}

const verify: Question = {
  link: '/verify-email',
  title: 'Confirm your address',
  text: 'Press the button to confirm your email address.',
  button: 'Confirm it',
  otherwise: ({ signInWith }) => signInWith('confirmed')
}
const signIn: Question = {
  link: '/magic-link/verify',
  title: 'Sign in',
  text: 'Press the button to sign in with the link that was mailed to you.',
  button: 'Sign in',
  otherwise: ({ account }) => account
}
const deletion: Question = {
  link: '/delete-user/callback',
  title: 'Delete your account?',
  text: 'Your account is gone at once, on all devices, and cannot be brought back.',
  button: 'Delete my account',
  danger: true,
  otherwise: ({ signInWith }) => signInWith('deleted')
}

/**
 * The pages that ask before a mailed link is spent, each at the link's own query. Opening one does nothing, so that mail
 * scanners may do it; its form does what the link is for.
 */
export function mailedLinkRoutes(app: FastifyInstance, context: PageContext): void {
  const { features, addresses, publicUrl, openLink } = context
  const questions = [verify, ...(features.magicLink ? [signIn] : []), ...(features.deleteAccount ? [deletion] : [])]
  for (const question of questions) {
    const path = addresses.links + question.link

    app.get(path, pageRoute, async function askFirst(request, reply) {
      const address = path + queryOf(request)
      // The others need nobody to be signed in.
      const needsSession = question === deletion && (await identify(context, request, reply)) === null
      return sendPage(
        reply,
        context,
        needsSession ? signInFirstPage(question, addresses.signInTo(address)) : questionPage(question, address)
      )
    })

    app.post(path, async function openMailedLink(request, reply) {
      const query = queryOf(request)
      const { error, location } = await openLink(request, reply, question.link, query)
      if (error === undefined)
        return leave(reply, context, { to: location ?? question.otherwise(addresses), title: 'That is done' })
      // BetterAuth says 401 or 404 to a link that is of no use any more, though nobody has to sign in for it.
      const told = error.status === 401 || error.status === 404 ? { ...error, status: 400 } : error
      return sendPage(reply, context, questionPage(question, path + query, told), told)
    })
  }

  function queryOf(request: FastifyRequest): string {
    return new URL(request.url, publicUrl).search
  }
}

function questionPage({ title, text, button, danger }: Question, address: string, error?: FormError): Page {
  const card = html`${alertBox(error)}
<p>${text}</p>
<form method="post" action="${address}"><button type="submit"${danger && html` class="danger"`}>${button}</button></form>`
  return cardPage(title, card)
}

function signInFirstPage({ title }: Question, signIn: string): Page {
  const card = html`<p>Sign in to your account first.</p>
<a class="button" href="${signIn}">Sign in</a>`
  return cardPage(title, card)
}
