import {
  alertBox,
  emailField,
  field,
  type Html,
  hidden,
  html,
  nameField,
  type Page,
  passwordField,
  statusBox
} from './html.ts'
import type { FormError } from './messages.ts'
import type { Features } from './page-context.ts'
import { withNext } from './return-address.ts'

/** What the pages for people who are not signed in show. */
export interface SignInView {
  readonly features: Features
  /** The address that the form leads on to. */
  readonly next?: string | undefined
  readonly error?: FormError | undefined
  readonly notice?: string | undefined
  /** What was entered before, to be corrected. A password is never shown again. */
  readonly email?: string | undefined
  readonly name?: string
  /** The token of the mailed link to a new password. */
  readonly token?: string
}

/** /auth/sign-in, with the social providers. */
export function signInPage({ features, next, error, notice, email }: SignInView): Page {
  const { passwords, signUp, resetPassword } = features
  const main = html`<div class="card">
<h1>Sign in</h1>
${statusBox(notice)}${alertBox(error, ...(passwords ? ['email'] : []))}
${
  passwords &&
  html`<form method="post" action="/auth/sign-in">
${hidden('next', next)}
${field({ ...emailField, value: email, error, focus: error === undefined })}
${field(passwordField)}
<div class="row"><label class="check"><input type="checkbox" name="rememberMe" checked> Stay signed in</label>
${resetPassword && html`<a href="/auth/forgot-password">Forgot your password?</a>`}</div>
<button type="submit">Sign in</button>
</form>`
}
${providerButtons(features, next)}
</div>
${signUp && html`<p class="aside">No account yet? <a href="${withNext('/auth/sign-up', next)}">Create one</a></p>`}`
  return { title: 'Sign in', main }
}

/** /auth/sign-up. */
export function signUpPage({ features, next, error, name, email }: SignInView): Page {
  const main = html`<div class="card">
<h1>Create an account</h1>
${alertBox(error, 'name', 'email', 'newPassword')}
<form method="post" action="/auth/sign-up">
${hidden('next', next)}
${field({ ...nameField, value: name, error, focus: error === undefined })}
${field({ ...emailField, value: email, error })}
${newPassword(features, error)}
<button type="submit">Create account</button>
</form>
${providerButtons(features, next)}
</div>
<p class="aside">Already have one? <a href="${withNext('/auth/sign-in', next)}">Sign in</a></p>`
  return { title: 'Create an account', main }
}

/** /auth/forgot-password. */
export function forgotPasswordPage({ error, notice, email }: SignInView): Page {
  const main = html`<div class="card">
<h1>Forgot your password?</h1>
${statusBox(notice)}${alertBox(error, 'email')}
<p>Enter your email address, and you get a mail with a link to choose a new one.</p>
<form method="post" action="/auth/forgot-password">
${field({ ...emailField, value: email, error })}
<button type="submit">Send the mail</button>
</form>
</div>
<p class="aside"><a href="/auth/sign-in">Back to sign-in</a></p>`
  return { title: 'Forgot your password?', main }
}

/** /auth/reset-password. */
export function resetPasswordPage({ features, error, token }: SignInView): Page {
  const main = html`<div class="card">
<h1>Choose a new password</h1>
${alertBox(error, 'newPassword')}
<p>All devices that are signed in to your account will be signed out.</p>
<form method="post" action="/auth/reset-password">
${hidden('token', token)}
${newPassword(features, error)}
<button type="submit">Change the password</button>
</form>
</div>
<p class="aside"><a href="/auth/forgot-password">Ask for a new link</a></p>`
  return { title: 'New password', main }
}

/** /auth/sign-out. It asks first: a link to this page, on whatever site, must not be able to sign anybody out. */
export function signOutPage(email: string, next: string | undefined): Page {
  const main = html`<div class="card">
<h1>Sign out?</h1>
<p>You are signed in as <strong>${email}</strong>.</p>
<form method="post" action="/auth/sign-out">${hidden('next', next)}<button type="submit">Sign out</button></form>
</div>
<p class="aside"><a href="/auth/account">Back to your account</a></p>`
  return { title: 'Sign out', main }
}

/**
 * The page between a form and an address outside these pages. Browsers hold every redirect that follows a form against
 * `form-action`, which allows this origin alone; a page may lead anywhere.
 */
export function departurePage(title: string, text: string, link: string, url: string): Page {
  const main = html`<div class="card">
<h1>${title}</h1>
<p>${text}</p>
<a class="button" href="${url}" rel="noreferrer">${link}</a>
</div>`
  return { title, main, refreshTo: url }
}

/** The input for a new password. */
export function newPassword(features: Features, error: FormError | undefined, label = 'Password'): Html {
  const { minPasswordLength: minLength, maxPasswordLength: maxLength } = features
  const hint = `At least ${minLength} characters.`
  const options = { type: 'password', autocomplete: 'new-password', hint, error, minLength, maxLength } as const
  return field({ name: 'newPassword', label, ...options })
}

function providerButtons({ providers, passwords }: Features, next: string | undefined): Html | false {
  if (providers.length === 0) return false
  return html`${passwords && html`<p class="or"><span>or</span></p>`}
<form method="post" action="/auth/sign-in/social" class="providers">
${hidden('next', next)}
${providers.map(({ id, name }) => html`<button class="quiet" name="provider" value="${id}">Continue with ${name}</button>`)}
</form>`
}
