import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { shortName } from '../input-limits.ts'
import { valuesOf } from './form-submission.ts'
import { type FormError, formError, noticeText } from './messages.ts'
import {
  addressAfter,
  authorizationAddress,
  cardPage,
  departurePage,
  hiddenOnward,
  leave,
  type Onward,
  oauthFields,
  onwardOf,
  withOnward
} from './onward.ts'
import type { PageAddresses } from './page-addresses.ts'
import {
  createFormSender,
  type Features,
  type FormParts,
  identify,
  type PageContext,
  pageRoute,
  redirect,
  sendPage
} from './page-helpers.ts'
import { alertBox, field, type Html, hidden, html, inputs, type Page, statusBox } from './page-markup.ts'
import { returnAddress } from './return-address.ts'

const signedIn = 'You are signed in'

/** The pages and forms for people who are not signed in, and sign-out. Each of them works without script. */
export function signInRoutes(app: FastifyInstance, context: PageContext): void {
  const { features, addresses, basePath, publicUrl, submitForm } = context
  const show = createFormSender(context)

  /** Whether to redirect away from sign-in and sign-up. `?again` shows them to people who are signed in, too. */
  async function isSignedIn(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    const { again } = valuesOf(request.query)
    return again === undefined && (await identify(context, request, reply)) !== null
  }

  app.get(addresses.signIn, pageRoute, async function showSignIn(request, reply) {
    const { notice, error: code } = valuesOf(request.query)
    const onward = onwardOf(request, publicUrl, addresses)
    const isSignedInAlready = await isSignedIn(request, reply)
    if (isSignedInAlready && onward.oauthQuery === undefined) {
      const failed = notice === 'confirmed' && code !== undefined
      return redirect(
        reply,
        failed ? `${addresses.account}?error=${encodeURIComponent(code)}` : (onward.next ?? addresses.account)
      )
    }
    // An application may ask for a sign-in of somebody who is signed in already.
    const goOn = isSignedInAlready ? authorizationAddress(onward, basePath) : undefined
    if (code === undefined) return show(reply, signInPage, { onward, goOn, notice: noticeText(notice) })
    // No form was sent: signing in with a provider has failed, or a mailed link.
    return show(reply, signInPage, { onward, error: formError(200, code, 'ACCESS_DENIED') })
  })

  app.post(addresses.signIn, async function signIn(request, reply) {
    const form = valuesOf(request.body)
    const onward = onwardOf(request, publicUrl, addresses)
    const email = form['email']?.trim()
    const { error, body } = await submitForm(request, reply, '/sign-in/email', {
      email,
      password: form['password'],
      rememberMe: form['rememberMe'] !== undefined,
      callbackURL: confirmedAddress(addresses, onward),
      ...oauthFields(onward)
    })
    if (error !== undefined) return show(reply, signInPage, { onward, email, error })
    if (body['twoFactorRedirect'] === true) return redirect(reply, withOnward(addresses.secondFactor, onward))
    return leave(reply, context, { to: addressAfter(body, onward), title: signedIn })
  })

  app.post(`${addresses.signIn}/social`, async function signInWithProvider(request, reply) {
    const form = valuesOf(request.body)
    const onward = onwardOf(request, publicUrl, addresses)
    const provider = features.providers.find(({ id }) => id === form['provider'])
    if (provider === undefined) return show(reply, signInPage, { onward, error: formError(400) })
    const { error, body } = await submitForm(request, reply, '/sign-in/social', {
      provider: provider.id,
      callbackURL: onward.next ?? addresses.account,
      errorCallbackURL: withOnward(addresses.signIn, onward),
      disableRedirect: true,
      ...oauthFields(onward)
    })
    const { url } = body
    if (error !== undefined || typeof url !== 'string' || !/^https?:\/\//i.test(url))
      return show(reply, signInPage, { onward, error: error ?? formError(400) })
    const { name } = provider
    const text = `You go on to ${name} to sign in there.`
    return sendPage(reply, context, departurePage(`On to ${name}`, text, `Go on to ${name}`, url))
  })

  app.get(addresses.signOut, pageRoute, async function showSignOut(request, reply) {
    const identity = await identify(context, request, reply)
    if (identity === null) return redirect(reply, addresses.signIn)
    const { next } = valuesOf(request.query)
    return sendPage(reply, context, signOutPage(addresses, identity.email, returnAddress(next, publicUrl, addresses)))
  })

  app.post(addresses.signOut, async function signOut(request, reply) {
    await submitForm(request, reply, '/sign-out', {})
    // The browser drops the private pages that it has kept, so that its back button shows none of them.
    reply.header('clear-site-data', '"cache"')
    const to = returnAddress(valuesOf(request.body)['next'], publicUrl, addresses)
    return leave(reply, context, { to, title: 'You are signed out', otherwise: addresses.signInWith('signed-out') })
  })

  if (features.signUp) {
    app.get(addresses.signUp, pageRoute, async function showSignUp(request, reply) {
      const onward = onwardOf(request, publicUrl, addresses)
      if (onward.oauthQuery === undefined && (await isSignedIn(request, reply)))
        return redirect(reply, onward.next ?? addresses.account)
      return show(reply, signUpPage, { onward })
    })

    app.post(addresses.signUp, async function signUp(request, reply) {
      const form = valuesOf(request.body)
      const onward = onwardOf(request, publicUrl, addresses)
      const email = form['email']?.trim()
      const name = shortName(form['name']?.trim() ?? '')
      if (name === '') return show(reply, signUpPage, { onward, email, name, error: formError(422, 'NAME_MISSING') })
      const { error, body } = await submitForm(request, reply, '/sign-up/email', {
        email,
        name,
        password: form['newPassword'],
        callbackURL: confirmedAddress(addresses, onward),
        ...oauthFields(onward)
      })
      if (error !== undefined) return show(reply, signUpPage, { onward, email, name, error })
      const isSignedUp = typeof body['token'] === 'string' || body['redirect'] === true
      if (isSignedUp) return leave(reply, context, { to: addressAfter(body, onward), title: signedIn })
      // Nobody was signed in: the address has to be confirmed first, or BetterAuth's `autoSignIn` is off.
      const notice = features.confirmFirst ? 'confirm-mail' : 'signed-up'
      return redirect(reply, withOnward(addresses.signInWith(notice), onward))
    })
  }

  if (features.resetPassword) {
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
}

/**
 * Where a mailed link that confirms an address leads: to the sign-in page, which says that the address is confirmed and
 * leads on.
 */
function confirmedAddress(addresses: PageAddresses, onward: Onward): string {
  return withOnward(addresses.signInWith('confirmed'), onward)
}

/** What the pages for people who are not signed in show. */
interface SignInView {
  readonly error?: FormError | undefined
  /** Nowhere where a page leads on to no other. */
  readonly onward?: Onward
  /** Where somebody who is signed in already may go on to. */
  readonly goOn?: string | undefined
  readonly notice?: string | undefined
  /** What was entered before, to be corrected. A password is never shown again. */
  readonly email?: string | undefined
  readonly name?: string
  /** The token of the mailed link to a new password. */
  readonly token?: string
}

/** With the social providers. */
function signInPage({ features, addresses }: FormParts, { onward = {}, goOn, error, notice, email }: SignInView): Page {
  const { passwords, signUp, resetPassword } = features
  const card = html`${statusBox(notice)}${alertBox(error, ...(passwords ? ['email'] : []))}
${goOn !== undefined && html`<p>You are signed in already. <a href="${goOn}">Go on as you are</a>, or sign in as somebody else.</p>`}
${
  passwords &&
  html`<form method="post" action="${addresses.signIn}">
${hiddenOnward(onward)}
${field({ ...inputs.email, value: email, error, focus: error === undefined })}
${field(inputs.password)}
<div class="row"><label class="check"><input type="checkbox" name="rememberMe" checked> Stay signed in</label>
${resetPassword && html`<a href="${addresses.forgotPassword}">Forgot your password?</a>`}</div>
<button type="submit">Sign in</button>
</form>`
}
${providerButtons(features, addresses, onward)}`
  const aside = signUp && html`No account yet? <a href="${withOnward(addresses.signUp, onward)}">Create one</a>`
  return cardPage('Sign in', card, aside)
}

function signUpPage({ features, addresses }: FormParts, { onward = {}, error, name, email }: SignInView): Page {
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

function forgotPasswordPage({ addresses }: FormParts, { error, notice, email }: SignInView): Page {
  const card = html`${statusBox(notice)}${alertBox(error, 'email')}
<p>Enter your email address, and you get a mail with a link to choose a new one.</p>
<form method="post" action="${addresses.forgotPassword}">
${field({ ...inputs.email, value: email, error })}
<button type="submit">Send the mail</button>
</form>`
  return cardPage('Forgot your password?', card, html`<a href="${addresses.signIn}">Back to sign-in</a>`)
}

function resetPasswordPage({ features, addresses }: FormParts, { error, token }: SignInView): Page {
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

/** It asks first: a link to this page, on whatever site, must not be able to sign anybody out. */
function signOutPage(addresses: PageAddresses, email: string, next: string | undefined): Page {
  const card = html`<p>You are signed in as <strong>${email}</strong>.</p>
<form method="post" action="${addresses.signOut}">${hidden('next', next)}<button type="submit">Sign out</button></form>`
  const aside = html`<a href="${addresses.account}">Back to your account</a>`
  return { ...cardPage('Sign out?', card, aside), title: 'Sign out' }
}

function providerButtons({ providers, passwords }: Features, addresses: PageAddresses, onward: Onward): Html | false {
  if (providers.length === 0) return false
  return html`${passwords && html`<p class="or"><span>or</span></p>`}
<form method="post" action="${addresses.signIn}/social" class="providers">
${hiddenOnward(onward)}
${providers.map(({ id, name }) => html`<button class="quiet" name="provider" value="${id}">Continue with ${name}</button>`)}
</form>`
}
