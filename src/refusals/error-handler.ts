import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { isOverlong, originOf } from '../../auth/input-limits.ts'
import { errorPage } from '../../auth/pages/error-page.ts'
import type { PageAddresses } from '../../auth/pages/page-addresses.ts'
import { returnAddress } from '../../auth/pages/return-address.ts'
import { refusalHeaders } from '../../auth/pages/security-headers.ts'
import type { Theme } from '../../auth/pages/theme.ts'
import { type RefusalCode, refusals } from '../../auth/refusals.ts'
import { LoggedRequest } from '../server/access-log.ts'
import { problemBody, problemHeaders } from './problem-response.ts'

type Failure = FastifyError & { retryAfter?: number | undefined }

interface RefusalPages {
  readonly publicUrl: string
  readonly addresses: PageAddresses
  readonly theme: Theme
}

/**
 * Fastify's error handler: every failure is answered with a problem, an unforeseen one with INTERNAL_ERROR, logged. Where
 * the built-in `pages` are on, a page load is answered with a page, or sent to sign in; that needs neither the database
 * nor the upstream, which may be what is away.
 */
export function createErrorHandler(
  log: Logger,
  pages?: RefusalPages | undefined
): (error: Failure, request: FastifyRequest, reply: FastifyReply) => void {
  const pageHeaders = pages === undefined ? {} : refusalHeaders()

  return function answerFailure(error, request, reply) {
    const { id: requestId, method } = request
    const { retryAfter } = error
    const code = refusalCodeOf(error)
    const headers = problemHeaders(code, retryAfter)
    if (pages === undefined || !isPageLoad(request.headers)) {
      logRefusal(code, error, request, log)
      if (pages !== undefined && code === 'SESSION_REQUIRED' && request.headers['hx-request'] !== undefined)
        headers['HX-Redirect'] = pages.addresses.signInTo(htmxPage(request.headers, pages))
      reply
        .code(refusals[code][0])
        .headers(headers)
        // Without a serializer of its own Fastify would add a charset, which JSON does not have; a buffer would be written
        // apart from the head.
        .serializer(String)
        .send(problemBody(code, requestId))
      return
    }
    const next = method === 'GET' ? returnAddress(targetOf(request), pages.publicUrl, pages.addresses) : undefined
    if (code === 'SESSION_REQUIRED' && method === 'GET') {
      reply
        .code(303)
        .headers({ Location: pages.addresses.signInTo(next), 'Cache-Control': 'no-store' })
        .send()
      return
    }
    logRefusal(code, error, request, log)
    reply
      .code(refusals[code][0])
      .headers({ ...headers, ...pageHeaders })
      .send(errorPage(pages.theme, { addresses: pages.addresses, code, requestId, next, retryAfter }))
  }
}

// The code that an error has, or that it amounts to.
function refusalCodeOf({ code, statusCode }: FastifyError): RefusalCode {
  if (isRefusalCode(code)) return code
  if (statusCode === 413) return 'BODY_TOO_LARGE'
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return 'REQUEST_INVALID'
  return 'INTERNAL_ERROR'
}

function isRefusalCode(code: unknown): code is RefusalCode {
  return typeof code === 'string' && Object.hasOwn(refusals, code)
}

function logRefusal(code: RefusalCode, error: FastifyError, { id: requestId, raw }: FastifyRequest, log: Logger): void {
  // The request's own line in the access log names the code.
  if (raw instanceof LoggedRequest) raw.code = code
  if (code === 'INTERNAL_ERROR') log.error({ requestId, err: error }, 'request failed')
  else if (refusals[code][0] >= 500) log.warn({ requestId, code, err: error.cause }, 'request refused')
}

// The path and query that the client asked for, in its own bytes.
function targetOf({ originalUrl }: FastifyRequest): string {
  if (originalUrl.startsWith('/') || isOverlong(originalUrl) || !URL.canParse(originalUrl)) return originalUrl
  const { pathname, search } = new URL(originalUrl)
  return pathname + search
}

// The page that htmx works in, which is loaded again after signing in: the request that was refused is a part of it.
function htmxPage(headers: IncomingHttpHeaders, { publicUrl, addresses }: RefusalPages): string {
  const address = headers['hx-current-url']
  if (typeof address !== 'string' || originOf(address) !== new URL(publicUrl).origin) return '/'
  const { pathname, search, hash } = new URL(address)
  return returnAddress(pathname + search + hash, publicUrl, addresses) ?? '/'
}

/**
 * Whether somebody is looking at what comes back: the browser says so (`Sec-Fetch-Mode: navigate`, `Sec-Fetch-Dest:
 * document`), or, where it says nothing of the kind, `text/html` is preferred over JSON. No upgrade is a page load, and
 * nothing that a script says it sent, as htmx and jQuery do.
 */
export function isPageLoad(headers: IncomingHttpHeaders): boolean {
  const { accept, upgrade } = headers
  const mode = headers['sec-fetch-mode']
  const destination = headers['sec-fetch-dest']
  const script = headers['x-requested-with']
  if (upgrade !== undefined || headers['hx-request'] !== undefined) return false
  if (accept !== undefined && !prefersHtml(accept)) return false
  if (mode === undefined && destination === undefined && headers['sec-fetch-site'] === undefined)
    return accept !== undefined && script === undefined
  // With an app's name for a value, `X-Requested-With` also comes with the page loads of Android's WebView.
  return mode === 'navigate' && destination === 'document' && String(script).toLowerCase() !== 'xmlhttprequest'
}

function prefersHtml(accept: string): boolean {
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
