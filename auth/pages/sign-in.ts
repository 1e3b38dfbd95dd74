import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { valuesOf } from './form-submission.ts'
import { type FormError, formError, noticeText } from './messages.ts'
import type { Features } from './offered-features.ts'
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
import { identify, type PageContext, pageRoute, redirect, sendPage } from './page-helpers.ts'
import { alertBox, field, type Html, html, inputs, type Page, statusBox } from './page-markup.ts'

/** The title of the page that leads on from a sign-in. */
export const signedIn = 'You are signed in'

/** The page and the forms that sign people in. They work without script, as those of all these pages do. */
export function signInRoutes(app: FastifyInstance, context: PageContext): void {
  const { features, addresses, basePath, publicUrl, submitForm } = context

  function show(reply: FastifyReply, view: Omit<SignInView, 'features' | 'addresses'>): FastifyReply {
    return sendPage(reply, context, signInPage({ features, addresses, ...view }), view.error)
  }

  app.get(addresses.signIn, pageRoute, async function showSignIn(request, reply) {
    const { notice, error: code } = valuesOf(request.query)
    const onward = onwardOf(request, publicUrl, addresses)
    const isSignedInAlready = await isSignedIn(context, request, reply)
    if (isSignedInAlready && onward.oauthQuery === undefined) {
      const failed = notice === 'confirmed' && code !== undefined
      return redirect(
        reply,
        failed ? `${addresses.account}?error=${encodeURIComponent(code)}` : (onward.next ?? addresses.account)
      )
    }
    // An application may ask for a sign-in of somebody who is signed in already.
    const goOn = isSignedInAlready ? authorizationAddress(onward, basePath) : undefined
    if (code === undefined) return show(reply, { onward, goOn, notice: noticeText(notice) })
    // No form was sent: signing in with a provider has failed, or a mailed link.
    return show(reply, { onward, error: formError(200, code, 'ACCESS_DENIED') })
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
    if (error !== undefined) return show(reply, { onward, email, error })
    if (body['twoFactorRedirect'] === true) return redirect(reply, withOnward(addresses.secondFactor, onward))
    return leave(reply, context, { to: addressAfter(body, onward), title: signedIn })
  })

  app.post(`${addresses.signIn}/social`, async function signInWithProvider(request, reply) {
    const form = valuesOf(request.body)
    const onward = onwardOf(request, publicUrl, addresses)
    const provider = features.providers.find(({ id }) => id === form['provider'])
    if (provider === undefined) return show(reply, { onward, error: formError(400) })
    const { error, body } = await submitForm(request, reply, '/sign-in/social', {
      provider: provider.id,
      callbackURL: onward.next ?? addresses.account,
      errorCallbackURL: withOnward(addresses.signIn, onward),
      disableRedirect: true,
      ...oauthFields(onward)
    })
    const { url } = body
    if (error !== undefined || typeof url !== 'string' || !/^https?:\/\//i.test(url))
      return show(reply, { onward, error: error ?? formError(400) })
    const { name } = provider
    const text = `You go on to ${name} to sign in there.`
    return sendPage(reply, context, departurePage(`On to ${name}`, text, `Go on to ${name}`, url))
  })
}

/**
 * Where a mailed link that confirms an address leads: to the sign-in page, which says that the address is confirmed and
 * leads on.
 */
export function confirmedAddress(addresses: PageAddresses, onward: Onward): string {
  return withOnward(addresses.signInWith('confirmed'), onward)
}

/**
 * Whether to redirect away from the pages for people who are not signed in. `?again` shows them to those who are, too.
 */
export async function isSignedIn(context: PageContext, request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
  const { again } = valuesOf(request.query)
  return again === undefined && (await identify(context, request, reply)) !== null
}

/** What the sign-in page shows. */
interface SignInView {
  readonly features: Features
  readonly addresses: PageAddresses
  readonly onward: Onward
  /** Where somebody who is signed in already may go on to. */
  readonly goOn?: string | undefined
  readonly error?: FormError | undefined
  readonly notice?: string | undefined
  /** What was entered before, to be corrected. A password is never shown again. */
  readonly email?: string | undefined
}

/** With the social providers. */
function signInPage({ features, addresses, onward, goOn, error, notice, email }: SignInView): Page {
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

/** A button for each social provider. */
export function providerButtons(
  { providers, passwords }: Features,
  addresses: PageAddresses,
  onward: Onward
): Html | false {
  if (providers.length === 0) return false
  return html`${passwords && html`<p class="or"><span>or</span></p>`}
<form method="post" action="${addresses.signIn}/social" class="providers">
${hiddenOnward(onward)}
${providers.map(({ id, name }) => html`<button class="quiet" name="provider" value="${id}">Continue with ${name}</button>`)}
</form>`
}
