import type { FastifyInstance, FastifyReply } from 'fastify'
import { shortName } from '../input-limits.ts'
import { valuesOf } from './form-submission.ts'
import { type FormError, formError } from './messages.ts'
import type { Features } from './offered-features.ts'
import {
  addressAfter,
  cardPage,
  hiddenOnward,
  leave,
  type Onward,
  oauthFields,
  onwardOf,
  withOnward
} from './onward.ts'
import type { PageAddresses } from './page-addresses.ts'
import { type PageContext, pageRoute, redirect, sendPage } from './page-helpers.ts'
import { alertBox, field, html, inputs, type Page } from './page-markup.ts'
import { confirmedAddress, isSignedIn, providerButtons, signedIn } from './sign-in.ts'

/** The page and the form that make an account. Not where the configuration or BetterAuth's options close sign-up. */
export function signUpRoutes(app: FastifyInstance, context: PageContext): void {
  const { features, addresses, publicUrl, submitForm } = context
  if (!features.signUp) return

  function show(reply: FastifyReply, view: Omit<SignUpView, 'features' | 'addresses'>): FastifyReply {
    return sendPage(reply, context, signUpPage({ features, addresses, ...view }), view.error)
  }

  app.get(addresses.signUp, pageRoute, async function showSignUp(request, reply) {
    const onward = onwardOf(request, publicUrl, addresses)
    if (onward.oauthQuery === undefined && (await isSignedIn(context, request, reply)))
      return redirect(reply, onward.next ?? addresses.account)
    return show(reply, { onward })
  })

  app.post(addresses.signUp, async function signUp(request, reply) {
    const form = valuesOf(request.body)
    const onward = onwardOf(request, publicUrl, addresses)
    const email = form['email']?.trim()
    const name = shortName(form['name']?.trim() ?? '')
    if (name === '') return show(reply, { onward, email, name, error: formError(422, 'NAME_MISSING') })
    const { error, body } = await submitForm(request, reply, '/sign-up/email', {
      email,
      name,
      password: form['newPassword'],
      callbackURL: confirmedAddress(addresses, onward),
      ...oauthFields(onward)
    })
    if (error !== undefined) return show(reply, { onward, email, name, error })
    const isSignedUp = typeof body['token'] === 'string' || body['redirect'] === true
    if (isSignedUp) return leave(reply, context, { to: addressAfter(body, onward), title: signedIn })
    // Nobody was signed in: the address has to be confirmed first, or BetterAuth's `autoSignIn` is off.
    const notice = features.confirmFirst ? 'confirm-mail' : 'signed-up'
    return redirect(reply, withOnward(addresses.signInWith(notice), onward))
  })
}

/** What the sign-up page shows. */
interface SignUpView {
  readonly features: Features
  readonly addresses: PageAddresses
  readonly onward: Onward
  readonly error?: FormError | undefined
  /** What was entered before, to be corrected. A password is never shown again. */
  readonly email?: string | undefined
  readonly name?: string
}

function signUpPage({ features, addresses, onward, error, name, email }: SignUpView): Page {
  const card = html`${alertBox(error, 'name', 'email', 'newPassword')}
<form method="post" action="${addresses.signUp}">
${hiddenOnward(onward)}
${field({ ...inputs.name, value: name, error, focus: error === undefined })}
${field({ ...inputs.email, value: email, error })}
${field({ ...inputs.newPassword, ...features.newPassword, error })}
<button type="submit">Create account</button>
</form>
${providerButtons(features, addresses, onward)}`
  const aside = html`Already have one? <a href="${withOnward(addresses.signIn, onward)}">Sign in</a>`
  return cardPage('Create an account', card, aside)
}
