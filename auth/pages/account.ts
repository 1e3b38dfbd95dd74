import type { FastifyInstance, FastifyReply } from 'fastify'
import { shortName } from '../input-limits.ts'
import type { Identity } from '../session-verdict.ts'
import { devicesPerPage } from './device-event-stream.ts'
import { type DeviceListView, devicesCard } from './device-list.ts'
import { type FormResult, type Values, valuesOf } from './form-submission.ts'
import { type FormError, formError, noticeText } from './messages.ts'
import type { Features } from './offered-features.ts'
import { fromStore, identify, type PageContext, pageRoute, redirect, sendPage } from './page-helpers.ts'
import { alertBox, field, type Html, html, inputs, type Page, statusBox, usernameForManagers } from './page-markup.ts'

/** The forms of the account page. */
type AccountForm = 'profile' | 'password' | 'delete' | 'devices' | 'verify'

/** What the account page shows. */
interface AccountView extends DeviceListView {
  readonly features: Features
  readonly user: { readonly name: string; readonly email: string; readonly emailVerified: boolean }
  /** False for a user who signs in with a provider alone. */
  readonly hasPassword: boolean
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
${devicesCard(view, errorOf(view, 'devices'))}
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
