import { alertBox, field, type Html, hidden, html, statusBox } from './html.ts'
import type { Complaint } from './messages.ts'
import type { Features } from './page-context.ts'
import { withNext } from './return-address.ts'

/** What a page for people who are not signed in shows beside its form. */
export interface Entrance {
  readonly features: Features
  readonly next?: string | undefined
  readonly complaint?: Complaint | undefined
  readonly notice?: string | undefined
  /** What was entered; never a password. */
  readonly email?: string | undefined
  readonly name?: string | undefined
}

/** The form of /auth/sign-in, with the social providers. */
export function signInPage({ features, next, complaint, notice, email }: Entrance): Html {
  const { passwords, signUp, resetPassword } = features
  const at = (field: string) => (complaint?.field === field ? complaint.text : undefined)
  return html`<div class="card">
<h1>Sign in</h1>
${statusBox(notice)}${alertBox(complaint, ...(passwords ? ['email'] : []))}
${
  passwords &&
  html`<form method="post" action="/auth/sign-in">
${hidden('next', next)}
${field({
  name: 'email',
  label: 'Email address',
  type: 'email',
  autocomplete: 'username',
  value: email,
  focus: complaint === undefined,
  error: at('email')
})}
${field({ name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' })}
<div class="row"><label class="check"><input type="checkbox" name="rememberMe" checked> Stay signed in</label>
${resetPassword && html`<a href="/auth/forgot-password">Forgot your password?</a>`}</div>
<button type="submit">Sign in</button>
</form>`
}
${providerButtons(features, next)}
</div>
${signUp && html`<p class="aside">No account yet? <a href="${withNext('/auth/sign-up', next)}">Create one</a></p>`}`
}

/** The form of /auth/sign-up. */
export function signUpPage({ features, next, complaint, name, email }: Entrance): Html {
  const at = (field: string) => (complaint?.field === field ? complaint.text : undefined)
  return html`<div class="card">
<h1>Create an account</h1>
${alertBox(complaint, 'name', 'email', 'newPassword')}
<form method="post" action="/auth/sign-up">
${hidden('next', next)}
${field({
  name: 'name',
  label: 'Name',
  type: 'text',
  autocomplete: 'name',
  value: name,
  maxLength: 200,
  focus: complaint === undefined,
  error: at('name')
})}
${field({
  name: 'email',
  label: 'Email address',
  type: 'email',
  autocomplete: 'username',
  value: email,
  error: at('email')
})}
${newPassword(features, at('newPassword'))}
<button type="submit">Create account</button>
</form>
${providerButtons(features, next)}
</div>
<p class="aside">Already have one? <a href="${withNext('/auth/sign-in', next)}">Sign in</a></p>`
}

/** The form of /auth/forgot-password. */
export function forgotPasswordPage({ complaint, notice, email }: Entrance): Html {
  const at = complaint?.field === 'email' ? complaint.text : undefined
  return html`<div class="card">
<h1>Forgot your password?</h1>
${statusBox(notice)}${alertBox(complaint, 'email')}
<p>Enter your email address, and you get a mail with a link to choose a new one.</p>
<form method="post" action="/auth/forgot-password">
${field({ name: 'email', label: 'Email address', type: 'email', autocomplete: 'username', value: email, error: at })}
<button type="submit">Send the mail</button>
</form>
</div>
<p class="aside"><a href="/auth/sign-in">Back to sign-in</a></p>`
}

/** The form of /auth/reset-password; `token` is from the mailed link. */
export function resetPasswordPage({ features, complaint }: Entrance, token: string): Html {
  const at = complaint?.field === 'newPassword' ? complaint.text : undefined
  return html`<div class="card">
<h1>Choose a new password</h1>
${alertBox(complaint, 'newPassword')}
<p>All devices that are signed in to your account will be signed out.</p>
<form method="post" action="/auth/reset-password">
${hidden('token', token)}
${newPassword(features, at)}
<button type="submit">Change the password</button>
</form>
</div>
<p class="aside"><a href="/auth/forgot-password">Ask for a new link</a></p>`
}

/** /auth/sign-out: a question first, because a link must not be able to sign anybody out. */
export function signOutPage(email: string, next: string | undefined): Html {
  return html`<div class="card">
<h1>Sign out?</h1>
<p>You are signed in as <strong>${email}</strong>.</p>
<form method="post" action="/auth/sign-out">${hidden('next', next)}<button type="submit">Sign out</button></form>
</div>
<p class="aside"><a href="/auth/account">Back to your account</a></p>`
}

/** What stands between a form and a place that is not ours: a form may lead to these pages alone, a page anywhere. */
export function departurePage(title: string, text: string, link: string, url: string): Html {
  return html`<div class="card">
<h1>${title}</h1>
<p>${text}</p>
<a class="button" href="${url}" rel="noreferrer">${link}</a>
</div>`
}

/** The input for a password that is new. */
export function newPassword(features: Features, error: string | undefined, label = 'Password', prefix = ''): Html {
  const { minPasswordLength: minLength, maxPasswordLength: maxLength } = features
  const hint = `At least ${minLength} characters.`
  const options = { type: 'password', autocomplete: 'new-password', hint, error, minLength, maxLength, prefix } as const
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
