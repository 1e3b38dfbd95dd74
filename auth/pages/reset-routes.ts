import type { FastifyInstance } from 'fastify'
import { goTo, type PageContext, sendPage, statusOf, textIn } from './context.ts'
import { type Entrance, forgotPasswordPage, resetPasswordPage } from './entrance.ts'
import { complaintAbout, noticeOf } from './sentences.ts'

const resetPath = '/auth/reset-password'

/** A new password for whoever has forgotten theirs. Mounted only where a mail can be sent. */
export function resetRoutes(app: FastifyInstance, context: PageContext): void {
  const { features, put } = context
  const forgot = (entrance: Omit<Entrance, 'features'>) => ({
    title: 'Forgot your password?',
    main: forgotPasswordPage({ features, ...entrance })
  })

  app.route({
    method: ['GET', 'HEAD'],
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
    method: ['GET', 'HEAD'],
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
