import type { FastifyInstance, FastifyReply } from 'fastify'
import { valuesOf } from './form-submission.ts'
import { type FormError, formError, noticeText } from './messages.ts'
import type { Features } from './offered-features.ts'
import { cardPage } from './onward.ts'
import type { PageAddresses } from './page-addresses.ts'
import { type PageContext, pageRoute, redirect, sendPage } from './page-helpers.ts'
import { alertBox, field, hidden, html, inputs, type Page, statusBox } from './page-markup.ts'

/** The page that mails a link to whoever has forgotten a password, and the page that the link leads to. */
export function forgottenPasswordRoutes(app: FastifyInstance, context: PageContext): void {
  const { features, addresses, submitForm } = context
  if (!features.resetPassword) return

  function show(reply: FastifyReply, page: (view: PasswordView) => Page, view: Entered) {
    return sendPage(reply, context, page({ features, addresses, ...view }), view.error)
  }

  app.get(addresses.forgotPassword, pageRoute, async function showForgotPassword(request, reply) {
    const { notice } = valuesOf(request.query)
    return show(reply, forgotPasswordPage, { notice: noticeText(notice) })
  })

  app.post(addresses.forgotPassword, async function forgotPassword(request, reply) {
    const email = valuesOf(request.body)['email']?.trim()
    const entered = { email, redirectTo: addresses.resetPassword }
    const { error } = await submitForm(request, reply, '/request-password-reset', entered)
    if (error === undefined) return redirect(reply, `${addresses.forgotPassword}?notice=reset-mail`)
    const emailError = error.status === 400 ? formError(400, 'INVALID_EMAIL') : error
    return show(reply, forgotPasswordPage, { email, error: emailError })
  })

  app.get(addresses.resetPassword, pageRoute, async function showResetPassword(request, reply) {
    const { token = '' } = valuesOf(request.query)
    if (token === '') return show(reply, forgotPasswordPage, { error: formError(400, 'INVALID_TOKEN') })
    return show(reply, resetPasswordPage, { token })
  })

  app.post(addresses.resetPassword, async function resetPassword(request, reply) {
    const { token = '', newPassword } = valuesOf(request.body)
    const { error } = await submitForm(request, reply, '/reset-password', { token, newPassword })
    return error ? show(reply, resetPasswordPage, { token, error }) : redirect(reply, addresses.signInWith('reset'))
  })
}

/** What these pages show. */
interface PasswordView extends Entered {
  readonly features: Features
  readonly addresses: PageAddresses
}

/** What they show of what was asked for and entered. */
interface Entered {
  readonly error?: FormError | undefined
  readonly notice?: string | undefined
  readonly email?: string | undefined
  /** The token of the mailed link to a new password. */
  readonly token?: string
}

function forgotPasswordPage({ addresses, error, notice, email }: PasswordView): Page {
  const card = html`${statusBox(notice)}${alertBox(error, 'email')}
<p>Enter your email address, and you get a mail with a link to choose a new one.</p>
<form method="post" action="${addresses.forgotPassword}">
${field({ ...inputs.email, value: email, error })}
<button type="submit">Send the mail</button>
</form>`
  return cardPage('Forgot your password?', card, html`<a href="${addresses.signIn}">Back to sign-in</a>`)
}

function resetPasswordPage({ features, addresses, error, token }: PasswordView): Page {
  const card = html`${alertBox(error, 'newPassword')}
<p>All devices that are signed in to your account will be signed out.</p>
<form method="post" action="${addresses.resetPassword}">
${hidden('token', token)}
${field({ ...inputs.newPassword, ...features.newPassword, error })}
<button type="submit">Change the password</button>
</form>`
  const aside = html`<a href="${addresses.forgotPassword}">Ask for a new link</a>`
  return { ...cardPage('Choose a new password', card, aside), title: 'New password' }
}
