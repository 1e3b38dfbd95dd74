import type { ListedSession, SessionPage } from '../../db/session-queries.ts'
import { deviceAddress, deviceEventsAddress, deviceLabel, devicesPerPage } from './devices.ts'
import {
  alertBox,
  field,
  type Html,
  hidden,
  html,
  nameField,
  type Page,
  passwordField,
  statusBox,
  usernameForManagers
} from './html.ts'
import type { FormError } from './messages.ts'
import type { Features } from './page-context.ts'
import { accountPath } from './return-address.ts'
import { newPassword } from './sign-in-pages.ts'

/** The forms of the account page. */
export type AccountForm = 'profile' | 'password' | 'delete' | 'devices' | 'verify'

/** What the account page shows. */
export interface AccountView {
  readonly features: Features
  readonly user: { readonly name: string; readonly email: string; readonly emailVerified: boolean }
  /** False for a user who signs in with a provider alone. */
  readonly hasPassword: boolean
  /** The user's sessions: each is a browser or program in which the user is signed in. */
  readonly devices: SessionPage
  /** The id of the session that asks for this page. */
  readonly currentDevice: string
  readonly notice?: string | undefined
  /** An error, and the form that shows it. */
  readonly error?: (FormError & { readonly form: AccountForm }) | undefined
}

/** /auth/account. */
export function accountPage(view: AccountView): Page {
  const { features, hasPassword, notice } = view
  const main = html`<h1>Your account</h1>
${statusBox(notice)}
${profileCard(view)}
${features.passwords && hasPassword && passwordCard(view)}
${devicesCard(view)}
${features.deleteAccount && deleteCard(view)}`
  const corner = html`<form method="post" action="/auth/sign-out"><button class="quiet small">Sign out</button></form>`
  return { title: 'Your account', main, corner, wide: true }
}

function profileCard(view: AccountView): Html {
  const { name, email, emailVerified } = view.user
  const error = errorOf(view, 'profile')
  return html`<section class="card" aria-labelledby="profile">
<h2 id="profile">Profile</h2>
${alertBox(error ?? errorOf(view, 'verify'), 'name')}
<dl><dt>Email address</dt><dd>${email}${emailVerified && html` <span class="tag">confirmed</span>`}</dd></dl>
${
  view.features.verifyEmail &&
  !emailVerified &&
  html`<form method="post" action="/auth/account/verify-email" class="inline">
<p class="hint">This address is not confirmed yet.</p><button class="quiet small">Send a mail to confirm it</button></form>`
}
<form method="post" action="/auth/account/profile">
${field({ ...nameField, value: name, error })}
<button type="submit">Save</button>
</form>
</section>`
}

function passwordCard(view: AccountView): Html {
  const error = errorOf(view, 'password')
  return html`<section class="card" aria-labelledby="password-title">
<h2 id="password-title">Password</h2>
${alertBox(error, 'password', 'newPassword')}
<form method="post" action="/auth/account/password">
${usernameForManagers(view.user.email)}
${field({ ...passwordField, label: 'Current password', error })}
${newPassword(view.features, error, 'New password')}
<label class="check"><input type="checkbox" name="revokeOthers" checked> Sign out all other devices</label>
<button type="submit">Change the password</button>
</form>
</section>`
}

function devicesCard(view: AccountView): Html {
  const { sessions, total, page, pages } = view.devices
  const first = (page - 1) * devicesPerPage + 1
  return html`<section class="card" aria-labelledby="devices-title">
<h2 id="devices-title">Devices</h2>
${alertBox(errorOf(view, 'devices'))}
<p class="hint">This is where you are signed in. If you do not recognise a device, sign it out and change your password.</p>
${pages > 1 && html`<p class="hint">${first} to ${first + sessions.length - 1} of ${total}, those last used first.</p>`}
<ul class="devices" data-live="${deviceEventsAddress(sessions.map(({ id }) => id))}">
${sessions.map((session) => deviceItem(session, session.id === view.currentDevice, page))}
</ul>
<p class="away" role="status" data-live-note></p>
${pages > 1 && devicePages(page, pages)}
<form method="post" action="/auth/account/devices/revoke-others" data-others ${total < 2 && html`hidden`}>
<button class="quiet">Sign out all other devices</button></form>
</section>`
}

function devicePages(page: number, pages: number): Html {
  const addressOf = (number: number) => (number === 1 ? accountPath : `${accountPath}?devices=${number}`)
  return html`<nav class="pages" aria-label="Devices">
${page > 1 && html`<a href="${addressOf(page - 1)}#devices-title" rel="prev">Newer</a>`}
<span>Page ${page} of ${pages}</span>
${page < pages && html`<a href="${addressOf(page + 1)}#devices-title" rel="next">Older</a>`}
</nav>`
}

// A device is named by the session's id, which signs nobody in. The session's token does, and is on no page.
function deviceItem(session: Omit<ListedSession, 'token'>, isCurrent: boolean, page: number): Html {
  const { id, createdAt, updatedAt } = session
  const label = deviceLabel(session.userAgent ?? '')
  const address = deviceAddress(session.ipAddress ?? '')
  return html`<li data-device="${id}"><div>
<p class="label">${label}${isCurrent && html` <span class="tag">this device</span>`}</p>
<p class="hint">${isCurrent ? 'In use now' : html`Last used ${time(updatedAt)}`}${address !== '' && html` <span class="address">from ${address}</span>`}</p>
<p class="hint">Signed in ${time(createdAt)}</p></div>
${
  !isCurrent &&
  html`<form method="post" action="/auth/account/devices/revoke">
${page > 1 && hidden('page', page)}
<button class="quiet small" name="device" value="${id}" aria-label="Sign out ${label}">Sign out</button></form>`
}</li>`
}

function deleteCard(view: AccountView): Html {
  const error = errorOf(view, 'delete')
  return html`<section class="card" aria-labelledby="delete-title">
<h2 id="delete-title">Delete your account</h2>
<details ${error !== undefined && html`open`}>
<summary>I want to delete my account</summary>
${alertBox(error, ...(view.hasPassword ? ['password'] : []))}
<p>Your account is gone at once, on all devices, and cannot be brought back.</p>
<form method="post" action="/auth/account/delete">
${view.hasPassword && html`${usernameForManagers(view.user.email)}${field({ ...passwordField, error, prefix: 'delete-' })}`}
<button class="danger">Delete my account</button>
</form>
</details>
</section>`
}

function errorOf({ error }: AccountView, form: AccountForm): FormError | undefined {
  return error?.form === form ? error : undefined
}

// The day in UTC. The pages' script replaces it by the time where the reader is.
function time(date: Date): Html {
  const iso = date.toISOString()
  return html`<time datetime="${iso}">${iso.slice(0, 10)}</time>`
}
