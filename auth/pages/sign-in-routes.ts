import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readMethods } from '../http-methods.ts'
import { shortName } from '../input-limits.ts'
import { complaintAbout, noticeOf } from './messages.ts'
import { goTo, type PageContext, sendPage, statusOf, textIn, whoIsAsking } from './page-context.ts'
import { confirmedAddress, returnAddress, signInAddress, withNext } from './return-address.ts'
import {
  departurePage,
  type Entrance,
  forgotPasswordPage,
  resetPasswordPage,
  signInPage,
  signOutPage,
  signUpPage
} from './sign-in-pages.ts'

const home = '/auth/account'
const signedIn = 'You are signed in'

/** Sign-in, sign-up and sign-out, each of which works without script. */
export function entranceRoutes(app: FastifyInstance, context: PageContext): void {
  const { features, publicUrl, put } = context
  const nextOf = (source: unknown) => returnAddress(textIn(source, 'next'), publicUrl)

  const showSignIn = (reply: FastifyReply, entrance: Omit<Entrance, 'features'>, status?: number) =>
    sendPage(reply, context, { title: 'Sign in', main: signInPage({ features, ...entrance }) }, status)
  const showSignUp = (reply: FastifyReply, entrance: Omit<Entrance, 'features'>, status?: number) =>
    sendPage(reply, context, { title: 'Create an account', main: signUpPage({ features, ...entrance }) }, status)

  /** A form was successful, and leads on to `next`: to a page of ours, or by a page to one of the application's. */
  function leave(reply: FastifyReply, next: string | undefined, title: string, ours = home): FastifyReply {
    if (next === undefined || next.startsWith(home)) return goTo(reply, next ?? ours)
    // The application may redirect to another site, and browsers hold each step of a form's answer against `form-action`.
    const main = departurePage(title, 'You go on to where you wanted to be.', 'Go on', next)
    return sendPage(reply, context, { title, main, refreshTo: next })
  }

  /** Whoever is signed in has no business at the entrance, unless they want to sign in again. */
  async function isInside(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    return textIn(request.query, 'again') === undefined && (await whoIsAsking(context, request, reply)) !== null
  }

  app.route({
    method: [...readMethods],
    url: '/auth/sign-in',
    async handler(request, reply) {
      const next = nextOf(request.query)
      const error = textIn(request.query, 'error')
      const notice = textIn(request.query, 'notice')
      if (await isInside(request, reply)) {
        const failed = notice === 'confirmed' && error !== undefined
        return goTo(reply, failed ? `${home}?error=${encodeURIComponent(error)}` : (next ?? home))
      }
      // Nothing was entered here: it went wrong at a provider's, or with a mailed link.
      const complaint = error === undefined ? undefined : complaintAbout(error, 'ACCESS_DENIED')
      return showSignIn(reply, { next, notice: complaint ? undefined : noticeOf(notice), complaint })
    }
  })

  app.post('/auth/sign-in', async function signIn(request, reply) {
    const next = nextOf(request.body)
    const email = textIn(request.body, 'email')?.trim()
    const password = textIn(request.body, 'password')
    const rememberMe = textIn(request.body, 'rememberMe') !== undefined
    const entered = { email, password, rememberMe, callbackURL: confirmedAddress(next) }
    const outcome = await put(request, reply, '/sign-in/email', entered)
    if (!outcome.ok) return showSignIn(reply, { next, email, complaint: outcome.complaint }, statusOf(outcome, reply))
    if (outcome.body['twoFactorRedirect'] === true)
      return showSignIn(reply, { next, email, complaint: complaintAbout('SECOND_STEP') }, 403)
    return leave(reply, next, signedIn)
  })

  app.post('/auth/sign-in/social', async function signInElsewhere(request, reply) {
    const next = nextOf(request.body)
    const provider = features.providers.find(({ id }) => id === textIn(request.body, 'provider'))
    if (provider === undefined) return showSignIn(reply, { next, complaint: complaintAbout(undefined) }, 400)
    const outcome = await put(request, reply, '/sign-in/social', {
      provider: provider.id,
      callbackURL: next ?? home,
      errorCallbackURL: signInAddress(next),
      disableRedirect: true
    })
    if (!outcome.ok) return showSignIn(reply, { next, complaint: outcome.complaint }, statusOf(outcome, reply))
    const url = outcome.body['url']
    if (typeof url !== 'string' || !/^https?:\/\//i.test(url))
      return showSignIn(reply, { next, complaint: complaintAbout(undefined) }, 400)
    const title = `On to ${provider.name}`
    const main = departurePage(
      title,
      `You go on to ${provider.name} to sign in there.`,
      `Go on to ${provider.name}`,
      url
    )
    return sendPage(reply, context, { title, main, refreshTo: url })
  })

  if (features.signUp) {
    app.route({
      method: [...readMethods],
      url: '/auth/sign-up',
      async handler(request, reply) {
        const next = nextOf(request.query)
        return (await isInside(request, reply)) ? goTo(reply, next ?? home) : showSignUp(reply, { next })
      }
    })

    app.post('/auth/sign-up', async function signUp(request, reply) {
      const next = nextOf(request.body)
      const email = textIn(request.body, 'email')?.trim()
      const name = shortName(textIn(request.body, 'name')?.trim() ?? '')
      const password = textIn(request.body, 'newPassword')
      const entered = { next, email, name }
      if (name === '') return showSignUp(reply, { ...entered, complaint: complaintAbout('NAME_MISSING') }, 422)
      const callbackURL = confirmedAddress(next)
      const outcome = await put(request, reply, '/sign-up/email', { email, name, password, callbackURL })
      if (!outcome.ok) return showSignUp(reply, { ...entered, complaint: outcome.complaint }, statusOf(outcome, reply))
      // No token: the address has to be confirmed first, or a sign-up signs nobody in.
      if (typeof outcome.body['token'] !== 'string') {
        const notice = features.confirmFirst ? 'confirm-mail' : 'signed-up'
        return goTo(reply, withNext(`/auth/sign-in?notice=${notice}&`, next))
      }
      return leave(reply, next, signedIn)
    })
  }

  app.route({
    method: [...readMethods],
    url: '/auth/sign-out',
    async handler(request, reply) {
      const identity = await whoIsAsking(context, request, reply)
      if (identity === null) return goTo(reply, signInAddress(undefined))
      const main = signOutPage(identity.email, nextOf(request.query))
      return sendPage(reply, context, { title: 'Sign out', main })
    }
  })

  app.post('/auth/sign-out', async function signOut(request, reply) {
    const next = nextOf(request.body)
    await put(request, reply, '/sign-out', {})
    // What was kept of private pages goes too, the ones that the back button would show included.
    reply.header('clear-site-data', '"cache"')
    return leave(reply, next, 'You are signed out', '/auth/sign-in?notice=signed-out')
  })
}

const resetPath = '/auth/reset-password'

/** A new password for whoever has forgotten theirs. Mounted only where a mail can be sent. */
export function resetRoutes(app: FastifyInstance, context: PageContext): void {
  const { features, put } = context
  const forgot = (entrance: Omit<Entrance, 'features'>) => ({
    title: 'Forgot your password?',
    main: forgotPasswordPage({ features, ...entrance })
  })

  app.route({
    method: [...readMethods],
    url: '/auth/forgot-password',
    handler: async (request, reply) =>
      sendPage(reply, context, forgot({ notice: noticeOf(textIn(request.query, 'notice')) }))
  })

  app.post('/auth/forgot-password', async function forgotPassword(request, reply) {
    const email = textIn(request.body, 'email')?.trim()
    const outcome = await put(request, reply, '/request-password-reset', { email, redirectTo: resetPath })
    if (outcome.ok) return goTo(reply, '/auth/forgot-password?notice=reset-mail')
    const complaint = outcome.status === 400 ? complaintAbout('INVALID_EMAIL') : outcome.complaint
    return sendPage(reply, context, forgot({ email, complaint }), statusOf(outcome, reply))
  })

  app.route({
    method: [...readMethods],
    url: resetPath,
    async handler(request, reply) {
      const token = textIn(request.query, 'token')
      if (token === undefined || token === '')
        return sendPage(reply, context, forgot({ complaint: complaintAbout('INVALID_TOKEN') }), 400)
      return sendPage(reply, context, { title: 'New password', main: resetPasswordPage({ features }, token) })
    }
  })

  app.post(resetPath, async function resetPassword(request, reply) {
    const token = textIn(request.body, 'token') ?? ''
    const newPassword = textIn(request.body, 'newPassword')
    const outcome = await put(request, reply, '/reset-password', { token, newPassword })
    if (outcome.ok) return goTo(reply, '/auth/sign-in?notice=reset')
    const main = resetPasswordPage({ features, complaint: outcome.complaint }, token)
    return sendPage(reply, context, { title: 'New password', main }, statusOf(outcome, reply))
  })
}
