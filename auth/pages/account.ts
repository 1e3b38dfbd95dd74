import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ListedSession, SessionPage } from '../../db/session-queries.ts'
import { shortName } from '../input-limits.ts'
import type { Identity } from '../session-verdict.ts'
import { deviceAddress, deviceEventsAddress, deviceLabel, devicesPerPage } from './device-event-stream.ts'
import { type FormResult, type Values, valuesOf } from './form-submission.ts'
import { type FormError, formError, noticeText } from './messages.ts'
import type { PageAddresses } from './page-addresses.ts'
import { type Features, fromStore, identify, type PageContext, pageRoute, redirect, sendPage } from './page-helpers.ts'
import {
  alertBox,
  field,
  type Html,
  hidden,
  html,
  inputs,
  type Page,
  statusBox,
  usernameForManagers
} from './page-markup.ts'

/** The forms of the account page. */
type AccountForm = 'profile' | 'password' | 'delete' | 'devices' | 'verify'

/** What the account page shows. */
interface AccountView {
  readonly features: Features
  readonly addresses: PageAddresses
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

/** What a form of the account page has to work with. */
interface Submission {
  readonly form: Values
  readonly identity: Identity
  readonly submit: (path: string, body: Readonly<Record<string, unknown>>) => Promise<FormResult>
}

/** The account page and its forms. People who are not signed in, or not any more, are sent to sign in. */
export async function accountRoutes(app: FastifyInstance, context: PageContext): Promise<void> {
  const { submitForm, features, addresses, sessionList, auth } = context
  const accountPath = addresses.account
  const afterDeletion = addresses.signInWith('deleted')
  const { internalAdapter } = await auth.$context

  async function show(
    reply: FastifyReply,
    { userId, sessionId: current }: Identity,
    more: Pick<AccountView, 'notice' | 'error'>,
    page = 1
  ): Promise<FastifyReply> {
    const user = await fromStore(() => internalAdapter.findUserById(userId))
    if (user === null) return askToSignIn(reply)
    const devices = await fromStore(() => sessionList.page(userId, { page, size: devicesPerPage, current }))
    const password = await hasPassword(userId)
    const view = { features, addresses, user, hasPassword: password, devices, currentDevice: current, ...more }
    return sendPage(reply, context, accountPage(view), more.error)
  }

  function withNotice(notice: string): string {
    return `${accountPath}?notice=${notice}`
  }

  function askToSignIn(reply: FastifyReply): FastifyReply {
    return redirect(reply, addresses.signInWith('ended', accountPath))
  }

  function hasPassword(userId: string): Promise<boolean> {
    return fromStore(async () => {
      const account = await internalAdapter.findCredentialAccount(userId)
      return typeof account?.password === 'string' && account.password !== ''
    })
  }

  /** Adds a form. `act` does what it is for, and returns the address to go on to, or why the form is refused. */
  function addForm(path: string, name: AccountForm, act: (given: Submission) => Promise<string | FormError>): void {
    app.post(accountPath + path, async function answerForm(request, reply) {
      const identity = await identify(context, request, reply)
      if (identity === null) return askToSignIn(reply)
      const result = await act({
        form: valuesOf(request.body),
        identity,
        submit: (authPath, body) => submitForm(request, reply, authPath, body)
      })
      if (typeof result === 'string') return redirect(reply, result)
      // 401: the session ended after it was looked up above.
      return result.status === 401 ? askToSignIn(reply) : show(reply, identity, { error: { ...result, form: name } })
    })
  }

  app.get(accountPath, pageRoute, async function showAccount(request, reply) {
    const identity = await identify(context, request, reply)
    if (identity === null) {
      const wasSignedIn = request.cookies[context.sessionCookie] !== undefined
      return wasSignedIn ? askToSignIn(reply) : redirect(reply, addresses.signInTo(accountPath))
    }
    const { notice, error: code, devices } = valuesOf(request.query)
    const error = code === undefined ? undefined : { ...formError(200, code, 'INVALID_TOKEN'), form: 'verify' as const }
    return show(reply, identity, { notice: noticeText(notice), error }, pageNumber(devices))
  })

  addForm('/profile', 'profile', async ({ form, submit }) => {
    const name = shortName(form['name']?.trim() ?? '')
    if (name === '') return formError(422, 'NAME_MISSING')
    const { error } = await submit('/update-user', { name })
    return error ?? withNotice('profile')
  })

  addForm('/password', 'password', async ({ form, submit }) => {
    const { password: currentPassword, newPassword, revokeOthers } = form
    const revokeOtherSessions = revokeOthers !== undefined
    const { error } = await submit('/change-password', { currentPassword, newPassword, revokeOtherSessions })
    return error ?? withNotice(revokeOtherSessions ? 'password-revoked' : 'password')
  })

  addForm('/devices/revoke', 'devices', async ({ form, identity, submit }) => {
    const { device, page: shown } = form
    const [session] = device === undefined ? [] : await fromStore(() => sessionList.some(identity.userId, [device]))
    // A session that is gone already counts as signed out.
    const { error } = session === undefined ? {} : await submit('/revoke-session', { token: session.token })
    const page = pageNumber(shown)
    return error ?? (page === 1 ? withNotice('revoked') : `${withNotice('revoked')}&devices=${page}`)
  })

  addForm('/devices/revoke-others', 'devices', async ({ submit }) => {
    const { error } = await submit('/revoke-other-sessions', {})
    return error ?? withNotice('revoked-others')
  })

  if (features.verifyEmail) {
    addForm('/verify-email', 'verify', async ({ identity: { email }, submit }) => {
      const { error } = await submit('/send-verification-email', {
        email,
        callbackURL: addresses.signInWith('confirmed')
      })
      return error ?? withNotice('mail-sent')
    })
  }

  if (features.deleteAccount) {
    addForm('/delete', 'delete', async ({ form: { password }, identity, submit }) => {
      // A fresh session is enough for BetterAuth. Users who have a password are asked for it in addition.
      if (!password && (await hasPassword(identity.userId))) return formError(400, 'INVALID_PASSWORD')
      const { error, body } = await submit('/delete-user', { password, callbackURL: afterDeletion })
      return error ?? (body['message'] === 'Verification email sent' ? withNotice('delete-mail') : afterDeletion)
    })
  }
}

/** The page of devices that was asked for; the first where that is not a number. */
function pageNumber(text = ''): number {
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 1
}

function accountPage(view: AccountView): Page {
  const { features, addresses, hasPassword, notice } = view
  const main = html`<h1>Your account</h1>
${statusBox(notice)}
${profileCard(view)}
${features.passwords && hasPassword && passwordCard(view)}
${devicesCard(view)}
${features.deleteAccount && deleteCard(view)}`
  const corner = html`<form method="post" action="${addresses.signOut}"><button class="quiet small">Sign out</button></form>`
  return { title: 'Your account', main, corner, wide: true }
}

function profileCard(view: AccountView): Html {
  const { name, email, emailVerified } = view.user
  const { account } = view.addresses
  const error = errorOf(view, 'profile')
  return html`<section class="card" aria-labelledby="profile">
<h2 id="profile">Profile</h2>
${alertBox(error ?? errorOf(view, 'verify'), 'name')}
<dl><dt>Email address</dt><dd>${email}${emailVerified && html` <span class="tag">confirmed</span>`}</dd></dl>
${
  view.features.verifyEmail &&
  !emailVerified &&
  html`<form method="post" action="${account}/verify-email" class="inline">
<p class="hint">This address is not confirmed yet.</p><button class="quiet small">Send a mail to confirm it</button></form>`
}
<form method="post" action="${account}/profile">
${field({ ...inputs.name, value: name, error })}
<button type="submit">Save</button>
</form>
</section>`
}

function passwordCard(view: AccountView): Html {
  const error = errorOf(view, 'password')
  return html`<section class="card" aria-labelledby="password-title">
<h2 id="password-title">Password</h2>
${alertBox(error, 'password', 'newPassword')}
<form method="post" action="${view.addresses.account}/password">
${usernameForManagers(view.user.email)}
${field({ ...inputs.password, label: 'Current password', error })}
${field({ ...inputs.newPassword, ...view.features.newPassword, label: 'New password', error })}
<label class="check"><input type="checkbox" name="revokeOthers" checked> Sign out all other devices</label>
<button type="submit">Change the password</button>
</form>
</section>`
}

function devicesCard(view: AccountView): Html {
  const { sessions, total, page, pages } = view.devices
  const { account } = view.addresses
  const first = (page - 1) * devicesPerPage + 1
  return html`<section class="card" aria-labelledby="devices-title">
<h2 id="devices-title">Devices</h2>
${alertBox(errorOf(view, 'devices'))}
<p class="hint">This is where you are signed in. If you do not recognise a device, sign it out and change your password.</p>
${pages > 1 && html`<p class="hint">${first} to ${first + sessions.length - 1} of ${total}, those last used first.</p>`}
<ul class="devices" data-account="${account}" data-live="${deviceEventsAddress(
    view.addresses,
    sessions.map(({ id }) => id)
  )}">
${sessions.map((session) => deviceItem(account, session, session.id === view.currentDevice, page))}
</ul>
<p class="away" role="status" data-live-note></p>
${pages > 1 && devicePages(account, page, pages)}
<form method="post" action="${account}/devices/revoke-others" data-others ${total < 2 && html`hidden`}>
<button class="quiet">Sign out all other devices</button></form>
</section>`
}

function devicePages(account: string, page: number, pages: number): Html {
  const addressOf = (number: number) => (number === 1 ? account : `${account}?devices=${number}`)
  return html`<nav class="pages" aria-label="Devices">
${page > 1 && html`<a href="${addressOf(page - 1)}#devices-title" rel="prev">Newer</a>`}
<span>Page ${page} of ${pages}</span>
${page < pages && html`<a href="${addressOf(page + 1)}#devices-title" rel="next">Older</a>`}
</nav>`
}

// A device is named by the session's id, which signs nobody in. The session's token does, and is on no page.
function deviceItem(account: string, session: Omit<ListedSession, 'token'>, isCurrent: boolean, page: number): Html {
  const { id, createdAt, updatedAt } = session
  const label = deviceLabel(session.userAgent ?? '')
  const address = deviceAddress(session.ipAddress ?? '')
  return html`<li data-device="${id}"><div>
<p class="label">${label}${isCurrent && html` <span class="tag">this device</span>`}</p>
<p class="hint">${isCurrent ? 'In use now' : html`Last used ${time(updatedAt)}`}${address !== '' && html` <span class="address">from ${address}</span>`}</p>
<p class="hint">Signed in ${time(createdAt)}</p></div>
${
  !isCurrent &&
  html`<form method="post" action="${account}/devices/revoke">
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
<form method="post" action="${view.addresses.account}/delete">
${view.hasPassword && html`${usernameForManagers(view.user.email)}${field({ ...inputs.password, error, prefix: 'delete-' })}`}
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
