import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readMethods } from '../http-methods.ts'
import { shortName } from '../input-limits.ts'
import type { Identity } from '../session-validation.ts'
import { type Account, type AccountForm, accountPage, signOutButton } from './account-page.ts'
import { deviceOf, devicesAPage } from './devices.ts'
import type { Outcome } from './form-submission.ts'
import { complaintAbout, noticeOf } from './messages.ts'
import { fromStore, goTo, type PageContext, sendPage, statusOf, textIn, whoIsAsking } from './page-context.ts'
import { confirmedAddress, withNext } from './return-address.ts'

const home = '/auth/account'
const done = (notice: string) => `${home}?notice=${notice}`

/** The account page and its forms. Whoever is not signed in any more is sent to sign in. */
export function accountRoutes(app: FastifyInstance, context: PageContext): void {
  const { put, features } = context

  async function show(
    reply: FastifyReply,
    identity: Identity,
    more: Pick<Account, 'notice' | 'complaint'> & { readonly page?: number },
    status?: number
  ): Promise<FastifyReply> {
    const account = await fromStore(() => readAccount(context, identity, more.page ?? 1))
    if (account === undefined) return askToSignIn(reply)
    const main = accountPage({ ...account, ...more })
    return sendPage(reply, context, { title: 'Your account', main, wide: true, corner: signOutButton }, status)
  }

  /** A form of the account page: what it asks of BetterAuth, and where a success leads. */
  function form(
    path: string,
    name: AccountForm,
    act: (request: FastifyRequest, reply: FastifyReply, identity: Identity) => Promise<Outcome | undefined>,
    next: (request: FastifyRequest, outcome: Outcome | undefined) => string
  ): void {
    app.post(path, async function answerForm(request, reply) {
      const identity = await whoIsAsking(context, request, reply)
      if (identity === null) return askToSignIn(reply)
      const outcome = await act(request, reply, identity)
      if (outcome?.ok !== false) return goTo(reply, next(request, outcome))
      // The session ended between the two.
      if (outcome.status === 401) return askToSignIn(reply)
      const complaint = { ...outcome.complaint, form: name }
      return show(reply, identity, { complaint }, statusOf(outcome, reply))
    })
  }

  app.route({
    method: [...readMethods],
    url: home,
    async handler(request, reply) {
      const identity = await whoIsAsking(context, request, reply)
      if (identity === null) {
        const wasHere = request.cookies[context.sessionCookie] !== undefined
        return wasHere ? askToSignIn(reply) : goTo(reply, withNext('/auth/sign-in', home))
      }
      const error = textIn(request.query, 'error')
      const complaint =
        error === undefined ? undefined : { ...complaintAbout(error, 'INVALID_TOKEN'), form: 'verify' as const }
      const page = pageNumber(textIn(request.query, 'devices'))
      return show(reply, identity, { notice: noticeOf(textIn(request.query, 'notice')), complaint, page })
    }
  })

  form(
    `${home}/profile`,
    'profile',
    async (request, reply) => {
      const name = shortName(textIn(request.body, 'name')?.trim() ?? '')
      if (name === '') return { ok: false, status: 422, complaint: complaintAbout('NAME_MISSING') }
      return put(request, reply, '/update-user', { name })
    },
    () => done('profile')
  )

  form(
    `${home}/password`,
    'password',
    (request, reply) =>
      put(request, reply, '/change-password', {
        currentPassword: textIn(request.body, 'password'),
        newPassword: textIn(request.body, 'newPassword'),
        revokeOtherSessions: textIn(request.body, 'revokeOthers') !== undefined
      }),
    (request) => done(textIn(request.body, 'revokeOthers') === undefined ? 'password' : 'password-revoked')
  )

  form(
    `${home}/devices/revoke`,
    'devices',
    async (request, reply, identity) => {
      const id = textIn(request.body, 'device')
      const [device] = id === undefined ? [] : await fromStore(() => context.sessionList.some(identity.userId, [id]))
      // Gone already is what was wanted.
      return device === undefined ? undefined : put(request, reply, '/revoke-session', { token: device.token })
    },
    (request) => {
      const page = pageNumber(textIn(request.body, 'page'))
      return page === 1 ? done('revoked') : `${done('revoked')}&devices=${page}`
    }
  )

  form(
    `${home}/devices/revoke-others`,
    'devices',
    (request, reply) => put(request, reply, '/revoke-other-sessions', {}),
    () => done('revoked-others')
  )

  if (features.verifyEmail) {
    form(
      `${home}/verify-email`,
      'verify',
      (request, reply, { email }) =>
        put(request, reply, '/send-verification-email', { email, callbackURL: confirmedAddress(undefined) }),
      () => done('mail-sent')
    )
  }

  if (features.deleteAccount) {
    form(
      `${home}/delete`,
      'delete',
      async (request, reply, identity) => {
        const password = textIn(request.body, 'password')
        // BetterAuth takes a fresh session for consent enough; who has a password is asked for it here.
        if (!password && (await fromStore(() => hasPassword(context, identity.userId))))
          return { ok: false, status: 400, complaint: complaintAbout('INVALID_PASSWORD') }
        return put(request, reply, '/delete-user', { password, callbackURL: '/auth/sign-in?notice=deleted' })
      },
      (_request, outcome) =>
        outcome?.ok === true && outcome.body['message'] === 'Verification email sent'
          ? done('delete-mail')
          : '/auth/sign-in?notice=deleted'
    )
  }
}

function askToSignIn(reply: FastifyReply): FastifyReply {
  return goTo(reply, withNext('/auth/sign-in?notice=ended&', home))
}

// What is no number is the first page; one past the end is the last.
function pageNumber(text: string | undefined): number {
  return text !== undefined && /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 1
}

async function readAccount(context: PageContext, identity: Identity, page: number): Promise<Account | undefined> {
  const { auth, features, sessionList } = context
  const { internalAdapter } = await auth.$context
  const user = await internalAdapter.findUserById(identity.userId)
  if (user === null) return undefined
  const { name, email, emailVerified } = user
  const { sessions, ...where } = await sessionList.page(identity.userId, {
    page,
    size: devicesAPage,
    current: identity.sessionId
  })
  return {
    features,
    name,
    email,
    emailVerified,
    hasPassword: await hasPassword(context, identity.userId),
    devices: { ...where, shown: sessions.map(deviceOf) },
    current: identity.sessionId
  }
}

async function hasPassword({ auth }: PageContext, userId: string): Promise<boolean> {
  const { internalAdapter } = await auth.$context
  const account = await internalAdapter.findCredentialAccount(userId)
  return typeof account?.password === 'string' && account.password !== ''
}
