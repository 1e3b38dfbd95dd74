import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { shortName } from '../input-limits.ts'
import type { Page } from './html.ts'
import { formError, noticeText } from './messages.ts'
import { addPage, identify, type PageContext, redirect, sendPage, type Values, valuesOf } from './page-context.ts'
import { accountPath, confirmedAddress, returnAddress, signInAddress, withNext } from './return-address.ts'
import {
  departurePage,
  forgotPasswordPage,
  resetPasswordPage,
  type SignInView,
  signInPage,
  signOutPage,
  signUpPage
} from './sign-in-pages.ts'

/** The pages and forms for people who are not signed in, and sign-out. Each of them works without script. */
export function signInRoutes(app: FastifyInstance, context: PageContext): void {
  const { features, publicUrl, submitForm } = context

  function show(reply: FastifyReply, page: (view: SignInView) => Page, view: Omit<SignInView, 'features'> = {}) {
    return sendPage(reply, context, page({ features, ...view }), view.error)
  }

  function nextOf({ next }: Values): string | undefined {
    return returnAddress(next, publicUrl)
  }

  /** After a form was accepted: redirects within these pages, and to the application by a page between. */
  function leave(reply: FastifyReply, next: string | undefined, title: string, otherwise = accountPath): FastifyReply {
    if (next === undefined || next.startsWith(accountPath)) return redirect(reply, next ?? otherwise)
    return sendPage(reply, context, departurePage(title, 'You go on to where you wanted to be.', 'Go on', next))
  }

  /** Whether to redirect away from sign-in and sign-up. `?again` shows them to people who are signed in, too. */
  async function isSignedIn(request: FastifyRequest, reply: FastifyReply, { again }: Values): Promise<boolean> {
    return again === undefined && (await identify(context, request, reply)) !== null
  }

  addPage(app, '/auth/sign-in', async function showSignIn(request, reply) {
    const query = valuesOf(request.query)
    const { notice, error: code } = query
    const next = nextOf(query)
    if (await isSignedIn(request, reply, query)) {
      const failed = notice === 'confirmed' && code !== undefined
      return redirect(reply, failed ? `${accountPath}?error=${encodeURIComponent(code)}` : (next ?? accountPath))
    }
    if (code === undefined) return show(reply, signInPage, { next, notice: noticeText(notice) })
    // No form was sent: signing in with a provider has failed, or a mailed link.
    return show(reply, signInPage, { next, error: formError(200, code, 'ACCESS_DENIED') })
  })

  app.post('/auth/sign-in', async function signIn(request, reply) {
    const form = valuesOf(request.body)
    const next = nextOf(form)
    const email = form['email']?.trim()
    const rememberMe = form['rememberMe'] !== undefined
    const entered = { email, password: form['password'], rememberMe, callbackURL: confirmedAddress(next) }
    const result = await submitForm(request, reply, '/sign-in/email', entered)
    const error = result.body['twoFactorRedirect'] === true ? formError(403, 'SECOND_STEP') : result.error
    return error ? show(reply, signInPage, { next, email, error }) : leave(reply, next, 'You are signed in')
  })

  app.post('/auth/sign-in/social', async function signInWithProvider(request, reply) {
    const form = valuesOf(request.body)
    const next = nextOf(form)
    const provider = features.providers.find(({ id }) => id === form['provider'])
    if (provider === undefined) return show(reply, signInPage, { next, error: formError(400) })
    const { error, body } = await submitForm(request, reply, '/sign-in/social', {
      provider: provider.id,
      callbackURL: next ?? accountPath,
      errorCallbackURL: signInAddress(next),
      disableRedirect: true
    })
    const { url } = body
    if (error !== undefined || typeof url !== 'string' || !/^https?:\/\//i.test(url))
      return show(reply, signInPage, { next, error: error ?? formError(400) })
    const { name } = provider
    const text = `You go on to ${name} to sign in there.`
    return sendPage(reply, context, departurePage(`On to ${name}`, text, `Go on to ${name}`, url))
  })

  addPage(app, '/auth/sign-out', async function showSignOut(request, reply) {
    const identity = await identify(context, request, reply)
    if (identity === null) return redirect(reply, signInAddress(undefined))
    return sendPage(reply, context, signOutPage(identity.email, nextOf(valuesOf(request.query))))
  })

  app.post('/auth/sign-out', async function signOut(request, reply) {
    await submitForm(request, reply, '/sign-out', {})
    // The browser drops the private pages that it has kept, so that its back button shows none of them.
    reply.header('clear-site-data', '"cache"')
    return leave(reply, nextOf(valuesOf(request.body)), 'You are signed out', '/auth/sign-in?notice=signed-out')
  })

  if (features.signUp) {
    addPage(app, '/auth/sign-up', async function showSignUp(request, reply) {
      const query = valuesOf(request.query)
      const next = nextOf(query)
      if (await isSignedIn(request, reply, query)) return redirect(reply, next ?? accountPath)
      return show(reply, signUpPage, { next })
    })

    app.post('/auth/sign-up', async function signUp(request, reply) {
      const form = valuesOf(request.body)
      const next = nextOf(form)
      const email = form['email']?.trim()
      const name = shortName(form['name']?.trim() ?? '')
      if (name === '') return show(reply, signUpPage, { next, email, name, error: formError(422, 'NAME_MISSING') })
      const entered = { email, name, password: form['newPassword'], callbackURL: confirmedAddress(next) }
      const { error, body } = await submitForm(request, reply, '/sign-up/email', entered)
      if (error !== undefined) return show(reply, signUpPage, { next, email, name, error })
      if (typeof body['token'] === 'string') return leave(reply, next, 'You are signed in')
      // Nobody was signed in: the address has to be confirmed first, or BetterAuth's `autoSignIn` is off.
      const notice = features.confirmFirst ? 'confirm-mail' : 'signed-up'
      return redirect(reply, withNext(`/auth/sign-in?notice=${notice}&`, next))
    })
  }

  if (features.resetPassword) {
    addPage(app, '/auth/forgot-password', async function showForgotPassword(request, reply) {
      const { notice } = valuesOf(request.query)
      return show(reply, forgotPasswordPage, { notice: noticeText(notice) })
    })

    app.post('/auth/forgot-password', async function forgotPassword(request, reply) {
      const email = valuesOf(request.body)['email']?.trim()
      const entered = { email, redirectTo: '/auth/reset-password' }
      const { error } = await submitForm(request, reply, '/request-password-reset', entered)
      if (error === undefined) return redirect(reply, '/auth/forgot-password?notice=reset-mail')
      return show(reply, forgotPasswordPage, {
        email,
        error: error.status === 400 ? formError(400, 'INVALID_EMAIL') : error
      })
    })

    addPage(app, '/auth/reset-password', async function showResetPassword(request, reply) {
      const { token = '' } = valuesOf(request.query)
      if (token === '') return show(reply, forgotPasswordPage, { error: formError(400, 'INVALID_TOKEN') })
      return show(reply, resetPasswordPage, { token })
    })

    app.post('/auth/reset-password', async function resetPassword(request, reply) {
      const { token = '', newPassword } = valuesOf(request.body)
      const { error } = await submitForm(request, reply, '/reset-password', { token, newPassword })
      return error ? show(reply, resetPasswordPage, { token, error }) : redirect(reply, '/auth/sign-in?notice=reset')
    })
  }
}
