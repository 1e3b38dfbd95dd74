import type { SessionPage } from '../../db/session-queries.ts'
import { deviceEventsAddress } from './device-events.ts'
import { type Device, devicesAPage } from './devices.ts'
import { newPassword } from './entrance.ts'
import type { Features } from './features.ts'
import { field, ownerOfPassword } from './field.ts'
import { type Html, html } from './html.ts'
import { alertBox, statusBox } from './layout.ts'
import type { Complaint } from './sentences.ts'

/** The forms of the account page. */
export type AccountForm = 'profile' | 'password' | 'delete' | 'devices' | 'verify'

/** Some of the devices, in the order in which they are shown. */
export interface DevicesPage extends Omit<SessionPage, 'sessions'> {
  readonly shown: readonly Device[]
}

/** What the account page shows. */
export interface Account {
  readonly features: Features
  readonly name: string
  readonly email: string
  readonly emailVerified: boolean
  /** Whether the user has a password here at all, and not only a provider. */
  readonly hasPassword: boolean
  readonly devices: DevicesPage
  /** The id of the session that is looking. */
  readonly current: string
  readonly notice?: string | undefined
  readonly complaint?: (Complaint & { readonly form: AccountForm }) | undefined
}

/** /auth/account. */
export function accountPage(account: Account): Html {
  const { features, hasPassword } = account
  return html`<h1>Your account</h1>
${statusBox(account.notice)}
${profileCard(account)}
${features.passwords && hasPassword && passwordCard(account)}
${devicesCard(account)}
${features.deleteAccount && deleteCard(account)}`
}

/** The sign-out button in the corner of the account page. */
export const signOutButton: Html = html`<form method="post" action="/auth/sign-out"><button class="quiet small">Sign out</button></form>`

function profileCard(account: Account): Html {
  const { features, name, email, emailVerified } = account
  const complaint = complaintIn(account, 'profile')
  return html`<section class="card" aria-labelledby="profile">
<h2 id="profile">Profile</h2>
${alertBox(complaint ?? complaintIn(account, 'verify'), 'name')}
<dl><dt>Email address</dt><dd>${email}${emailVerified && html` <span class="tag">confirmed</span>`}</dd></dl>
${
  features.verifyEmail &&
  !emailVerified &&
  html`<form method="post" action="/auth/account/verify-email" class="inline">
<p class="hint">This address is not confirmed yet.</p><button class="quiet small">Send a mail to confirm it</button></form>`
}
<form method="post" action="/auth/account/profile">
${field({ name: 'name', label: 'Name', type: 'text', autocomplete: 'name', value: name, maxLength: 200, error: complaint?.field === 'name' ? complaint.text : undefined })}
<button type="submit">Save</button>
</form>
</section>`
}

function passwordCard(account: Account): Html {
  const { features, email } = account
  const complaint = complaintIn(account, 'password')
  const at = (name: string) => (complaint?.field === name ? complaint.text : undefined)
  return html`<section class="card" aria-labelledby="password-title">
<h2 id="password-title">Password</h2>
${alertBox(complaint, 'password', 'newPassword')}
<form method="post" action="/auth/account/password">
${ownerOfPassword(email)}
${field({
  name: 'password',
  label: 'Current password',
  type: 'password',
  autocomplete: 'current-password',
  error: at('password')
})}
${newPassword(features, at('newPassword'), 'New password')}
<label class="check"><input type="checkbox" name="revokeOthers" checked> Sign out all other devices</label>
<button type="submit">Change the password</button>
</form>
</section>`
}

function devicesCard(account: Account): Html {
  const { devices, current } = account
  const { shown, total, page, pages } = devices
  const first = (page - 1) * devicesAPage + 1
  return html`<section class="card" aria-labelledby="devices-title">
<h2 id="devices-title">Devices</h2>
${alertBox(complaintIn(account, 'devices'))}
<p class="hint">This is where you are signed in. If you do not recognise a device, sign it out and change your password.</p>
${pages > 1 && html`<p class="hint">${first} to ${first + shown.length - 1} of ${total}, those last used first.</p>`}
<ul class="devices" data-live="${deviceEventsAddress(shown.map(({ id }) => id))}">
${shown.map((device) => deviceItem(device, device.id === current, page))}
</ul>
<p class="away" role="status" data-live-note></p>
${pages > 1 && devicePages(page, pages)}
<form method="post" action="/auth/account/devices/revoke-others" data-others ${total < 2 && html`hidden`}>
<button class="quiet">Sign out all other devices</button></form>
</section>`
}

function devicePages(page: number, pages: number): Html {
  const at = (number: number) => (number === 1 ? '/auth/account' : `/auth/account?devices=${number}`)
  return html`<nav class="pages" aria-label="Devices">
${page > 1 && html`<a href="${at(page - 1)}#devices-title" rel="prev">Newer</a>`}
<span>Page ${page} of ${pages}</span>
${page < pages && html`<a href="${at(page + 1)}#devices-title" rel="next">Older</a>`}
</nav>`
}

function deviceItem({ id, label, address, signedInAt, lastUseAt }: Device, current: boolean, page: number): Html {
  return html`<li data-device="${id}"><div>
<p class="label">${label}${current && html` <span class="tag">this device</span>`}</p>
<p class="hint">${current ? 'In use now' : html`Last used ${time(lastUseAt)}`}${address !== undefined && html` <span class="address">from ${address}</span>`}</p>
<p class="hint">Signed in ${time(signedInAt)}</p></div>
${
  !current &&
  html`<form method="post" action="/auth/account/devices/revoke">
${page > 1 && html`<input type="hidden" name="page" value="${page}">`}
<button class="quiet small" name="device" value="${id}" aria-label="Sign out ${label}">Sign out</button></form>`
}</li>`
}

function deleteCard(account: Account): Html {
  const { hasPassword, email } = account
  const complaint = complaintIn(account, 'delete')
  return html`<section class="card" aria-labelledby="delete-title">
<h2 id="delete-title">Delete your account</h2>
<details ${complaint !== undefined && html`open`}>
<summary>I want to delete my account</summary>
${alertBox(complaint, ...(hasPassword ? ['password'] : []))}
<p>Your account is gone at once, on all devices, and cannot be brought back.</p>
<form method="post" action="/auth/account/delete">
${
  hasPassword &&
  html`${ownerOfPassword(email)}${field({
    name: 'password',
    label: 'Password',
    type: 'password',
    autocomplete: 'current-password',
    error: complaint?.field === 'password' ? complaint.text : undefined,
    prefix: 'delete-'
  })}`
}
<button class="danger">Delete my account</button>
</form>
</details>
</section>`
}

function complaintIn({ complaint }: Account, form: AccountForm): Complaint | undefined {
  return complaint?.form === form ? complaint : undefined
}

// Without script a date in UTC; with it the reader's own time.
function time(date: Date): Html {
  const iso = date.toISOString()
  return html`<time datetime="${iso}">${iso.slice(0, 10)}</time>`
}
