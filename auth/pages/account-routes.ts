import type { FastifyInstance, FastifyReply } from 'fastify'
import { shortName } from '../input-limits.ts'
import type { Identity } from '../session-validation.ts'
import { type AccountForm, type AccountView, accountPage } from './account-page.ts'
import { devicesPerPage } from './devices.ts'
import type { FormResult } from './form-submission.ts'
import { type FormError, formError, noticeText } from './messages.ts'
import {
  addPage,
  fromStore,
  identify,
  type PageContext,
  redirect,
  sendPage,
  type Values,
  valuesOf
} from './page-context.ts'
import { accountPath, confirmedAddress, signInAddress, withNext } from './return-address.ts'

const afterDeletion = '/auth/sign-in?notice=deleted'

/** What a form of the account page has to work with. */
interface Submission {
  readonly form: Values
  readonly identity: Identity
  readonly submit: (path: string, body: Readonly<Record<string, unknown>>) => Promise<FormResult>
}

/** The account page and its forms. People who are not signed in, or not any more, are sent to sign in. */
export function accountRoutes(app: FastifyInstance, context: PageContext): void {
  const { submitForm, features, sessionList } = context

  async function show(
    reply: FastifyReply,
    identity: Identity,
    more: Pick<AccountView, 'notice' | 'error'>,
    devicesPage = 1
  ): Promise<FastifyReply> {
    const account = await fromStore(() => readAccount(context, identity, devicesPage))
    return account === undefined
      ? askToSignIn(reply)
      : sendPage(reply, context, accountPage({ ...account, ...more }), more.error)
  }

  /** Adds a form. `act` does what it is for, and returns the address to go on to, or why the form is refused. */
  function addForm(
    path: string,
    name: AccountForm,
    act: (submission: Submission) => Promise<string | FormError>
  ): void {
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

  addPage(app, accountPath, async function showAccount(request, reply) {
    const identity = await identify(context, request, reply)
    if (identity === null) {
      const wasSignedIn = request.cookies[context.sessionCookie] !== undefined
      return wasSignedIn ? askToSignIn(reply) : redirect(reply, signInAddress(accountPath))
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
      const { error } = await submit('/send-verification-email', { email, callbackURL: confirmedAddress(undefined) })
      return error ?? withNotice('mail-sent')
    })
  }

  if (features.deleteAccount) {
    addForm('/delete', 'delete', async ({ form: { password }, identity, submit }) => {
      // A fresh session is enough for BetterAuth. Users who have a password are asked for it in addition.
      if (!password && (await fromStore(() => hasPassword(context, identity.userId))))
        return formError(400, 'INVALID_PASSWORD')
      const { error, body } = await submit('/delete-user', { password, callbackURL: afterDeletion })
      return error ?? (body['message'] === 'Verification email sent' ? withNotice('delete-mail') : afterDeletion)
    })
  }
}

function withNotice(notice: string): string {
  return `${accountPath}?notice=${notice}`
}

function askToSignIn(reply: FastifyReply): FastifyReply {
  return redirect(reply, withNext('/auth/sign-in?notice=ended&', accountPath))
}

/** The page of devices that was asked for; the first where that is not a number. */
function pageNumber(text = ''): number {
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 1
}

/** What the account page shows of a user; undefined where the user does not exist any more. */
async function readAccount(context: PageContext, identity: Identity, page: number): Promise<AccountView | undefined> {
  const { auth, features, sessionList } = context
  const { userId, sessionId } = identity
  const { internalAdapter } = await auth.$context
  const user = await internalAdapter.findUserById(userId)
  if (user === null) return undefined
  const devices = await sessionList.page(userId, { page, size: devicesPerPage, current: sessionId })
  return { features, user, hasPassword: await hasPassword(context, userId), devices, currentDevice: sessionId }
}

async function hasPassword({ auth }: PageContext, userId: string): Promise<boolean> {
  const { internalAdapter } = await auth.$context
  const account = await internalAdapter.findCredentialAccount(userId)
  return typeof account?.password === 'string' && account.password !== ''
}
