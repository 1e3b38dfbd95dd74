import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { isOverlong } from '../../auth/input-limits.ts'
import { type Refusal, refusalPage } from '../../auth/pages/error-page.ts'
import { returnAddress, signInAddress, withNext } from '../../auth/pages/return-address.ts'
import { refusalHeaders } from '../../auth/pages/security-headers.ts'
import type { Theme } from '../../auth/pages/theme.ts'
import { createRefuse, type Problem, problemCodeOf, problemHeaders, problemOf, reportProblem } from './problem.ts'
import { personalWording } from './problem-wording.ts'

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
  return { status, code, requestId, title, text, links: ways.map(([to, label]) => ({ href: hrefs[to], label })) }
}

/**
 * Whether somebody is looking at what comes back: the browser says so (`Sec-Fetch-Mode: navigate`, `Sec-Fetch-Dest:
 * document`), or, where it says nothing of the kind, `text/html` is preferred over JSON. No upgrade is a page load.
 */
export function isPageLoad(headers: IncomingHttpHeaders): boolean {
  if (headers.upgrade !== undefined) return false
  const mode = headers['sec-fetch-mode']
  const destination = headers['sec-fetch-dest']
  if (mode !== undefined || destination !== undefined || headers['sec-fetch-site'] !== undefined)
    return mode === 'navigate' && destination === 'document'
  return prefersHtml(headers.accept)
}

function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false
  const weights = weightsOf(accept)
  const html = weights.get('text/html') ?? 0
  const json = weights.get('application/json') ?? weights.get('application/problem+json')
  // A wildcard covers JSON as well, but who names HTML and wants the rest only as much as that, means HTML.
  return html > 0 && (json === undefined ? html >= (weights.get('*/*') ?? 0) : html > json)
}

// RFC 9110, section 12.5.1.
function weightsOf(accept: string): Map<string, number> {
  const weights = new Map<string, number>()
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    const value = weight === undefined ? 1 : Number(weight.slice(2))
    weights.set(type, Number.isFinite(value) ? value : 0)
  }
  return weights
}
