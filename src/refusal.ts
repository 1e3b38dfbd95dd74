import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { isOverlong } from '../auth/authorities.ts'
import { refusalHeaders } from '../auth/pages/headers.ts'
import { type Refusal, refusalPage } from '../auth/pages/refusal.ts'
import { returnAddress, signInAddress, withNext } from '../auth/pages/return-address.ts'
import type { Theme } from '../auth/pages/theme.ts'
import { isPageLoad } from './page-load.ts'
import { createRefuse, type Problem, problemCodeOf, problemHeaders, problemOf, reportProblem } from './problem.ts'
import { personalWording } from './problem-for-people.ts'

export interface RefusalOptions {
  readonly publicUrl: string
  readonly theme: Theme
}

type Refused = FastifyError & { retryAfter?: number }

/**
 * Fastify's error handler where the built-in pages are on: who loads a page gets one, or is sent to sign in; everybody
 * else gets the problem. It asks neither the database nor the upstream, which may be what is away.
 */
export function createRefusal({ publicUrl, theme }: RefusalOptions, log: Logger) {
  const refuse = createRefuse(log)
  const pageHeaders = refusalHeaders(publicUrl)

  return function refuseAsAsked(error: Refused, request: FastifyRequest, reply: FastifyReply): void {
    if (!isPageLoad(request.headers)) {
      refuse(error, request, reply)
      return
    }
    const code = problemCodeOf(error)
    const problem = problemOf(code, request.id)
    const next = request.method === 'GET' ? returnAddress(targetOf(request), publicUrl) : undefined
    if (code === 'SESSION_REQUIRED' && request.method === 'GET') {
      reply
        .code(303)
        .headers({ Location: signInAddress(next), 'Cache-Control': 'no-store' })
        .send()
      return
    }
    reportProblem(problem, error, log, request.raw)
    reply
      .code(problem.status)
      .headers({ ...problemHeaders(code, error.retryAfter), ...pageHeaders })
      .send(refusalPage(theme, inWords(problem, next, error.retryAfter)))
  }
}

// The client's own bytes.
function targetOf({ originalUrl }: FastifyRequest): string {
  if (originalUrl.startsWith('/') || isOverlong(originalUrl) || !URL.canParse(originalUrl)) return originalUrl
  const { pathname, search } = new URL(originalUrl)
  return pathname + search
}

function inWords(problem: Problem, next: string | undefined, retryAfter: number | undefined): Refusal {
  const { status, code, requestId } = problem
  const { title, text, ways } = personalWording(problem, retryAfter)
  const hrefs = {
    again: next ?? '/',
    home: '/',
    account: '/auth/account',
    signIn: signInAddress(next),
    signInAgain: withNext('/auth/sign-in?again&', next)
  }
  return { status, code, requestId, title, text, ways: ways.map(([to, label]) => ({ href: hrefs[to], label })) }
}
