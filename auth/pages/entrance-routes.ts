import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { goTo, type PageContext, sendPage, statusOf, textIn, whoIsAsking } from './context.ts'
import { departurePage, type Entrance, signInPage, signOutPage, signUpPage } from './entrance.ts'
import { returnAddress, signInAddress, withNext } from './return-address.ts'
import { complaintAbout, noticeOf } from './sentences.ts'

const home = '/auth/account'
const pageMethods = ['GET' as const, 'HEAD' as const]

/** Sign-in, sign-up and sign-out, each of which works without script. */
export function entranceRoutes(app: FastifyInstance, context: PageContext): void {
  const { features, publicUrl, put } = context
  const nextOf = (source: unknown) => returnAddress(textIn(source, 'next'), publicUrl)

  const showSignIn = (reply: FastifyReply, entrance: Omit<Entrance, 'features'>, status?: number) =>
    sendPage(reply, context, { title: 'Sign in', main: signInPage({ features, ...entrance }) }, status)
  const showSignUp = (reply: FastifyReply, entrance: Omit<Entrance, 'features'>, status?: number) =>
    sendPage(reply, context, { title: 'Create an account', main: signUpPage({ features, ...entrance }) }, status)

  /** Whoever is signed in has no business at the entrance, unless they want to sign in again. */
  async function isInside(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    return textIn(request.query, 'again') === undefined && (await whoIsAsking(context, request, reply)) !== null
  }

  app.route({
    method: pageMethods,
    url: '/auth/sign-in',
    async handler(request, reply) {
      const next = nextOf(request.query)
      if (await isInside(request, reply)) return goTo(reply, next ?? home)
      const error = textIn(request.query, 'error')
      const notice = noticeOf(textIn(request.query, 'notice'))
      return showSignIn(reply, { next, notice, complaint: error === undefined ? undefined : complaintAbout(error) })
    }
  })

  app.post('/auth/sign-in', async function signIn(request, reply) {
    const next = nextOf(request.body)
    const email = textIn(request.body, 'email')?.trim()
    const password = textIn(request.body, 'password')
    const rememberMe = textIn(request.body, 'rememberMe') !== undefined
    const outcome = await put(request, reply, '/sign-in/email', { email, password, rememberMe })
    if (!outcome.ok) return showSignIn(reply, { next, email, complaint: outcome.complaint }, statusOf(outcome, reply))
    if (outcome.body['twoFactorRedirect'] === true)
      return showSignIn(reply, { next, email, complaint: complaintAbout('SECOND_STEP') }, 403)
    return goTo(reply, next ?? home)
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
    const main = departurePage(provider.name, url)
    return sendPage(reply, context, { title: `On to ${provider.name}`, main, refreshTo: url })
  })

  if (features.signUp) {
    app.route({
      method: pageMethods,
      url: '/auth/sign-up',
      async handler(request, reply) {
        const next = nextOf(request.query)
        return (await isInside(request, reply)) ? goTo(reply, next ?? home) : showSignUp(reply, { next })
      }
    })

    app.post('/auth/sign-up', async function signUp(request, reply) {
      const next = nextOf(request.body)
      const email = textIn(request.body, 'email')?.trim()
      const name = textIn(request.body, 'name')?.trim().slice(0, 200) ?? ''
      const password = textIn(request.body, 'newPassword')
      const entered = { next, email, name }
      if (name === '') return showSignUp(reply, { ...entered, complaint: complaintAbout('NAME_MISSING') }, 422)
      const callbackURL = next ?? home
      const outcome = await put(request, reply, '/sign-up/email', { email, name, password, callbackURL })
      if (!outcome.ok) return showSignUp(reply, { ...entered, complaint: outcome.complaint }, statusOf(outcome, reply))
      // No token: the address has to be confirmed first.
      if (typeof outcome.body['token'] !== 'string')
        return goTo(reply, withNext('/auth/sign-in?notice=confirm-mail&', next))
      return goTo(reply, next ?? home)
    })
  }

  app.route({
    method: pageMethods,
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
    return goTo(reply, next ?? '/auth/sign-in?notice=signed-out')
  })
}
