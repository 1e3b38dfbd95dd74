import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { Outcome } from '../../auth/live-connection-limits.ts'
import { isRecord } from '../../db/type-guards.ts'
import { responseOn } from '../../proxy/close-connection.ts'
import { refusedTarget } from '../../proxy/request-validation.ts'

/** A request as the public listener makes it: it carries what its line in the access log will say. */
export class LoggedRequest extends IncomingMessage {
  /** Milliseconds on the monotonic clock. */
  readonly arrivedAt = performance.now()
  /** `X-Request-Id`; empty until the access log has chosen it. */
  id = ''
  /** The target as it came. Fastify's property: `url` becomes what the router sees. */
  originalUrl: string | undefined = undefined
  /** How the request and its response ended; undefined while that is not known. */
  outcome: Outcome | undefined = undefined
  /** Whether its line is written. */
  logged = false
  /** The code of the refusal that answered it. */
  code: string | undefined = undefined
  /**
   * Called when the connection is gone before the response was finished; not for a request whose body was read to its
   * end, whose response has to be watched instead.
   */
  onAborted: ((request: LoggedRequest) => void) | undefined = undefined

  /** Node destroys a request when its connection goes before the response is finished, and also once its body is read. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.socket.destroyed) this.onAborted?.(this)
    super._destroy(error, done)
  }
}

/** What a line of the access log says. */
export interface Exchange {
  readonly requestId: string
  readonly method: string | undefined
  /** Without the query, and without what may be a token. The client's own text. */
  readonly path: string
  /** Undefined where the client left before there was one. */
  readonly status: number | undefined
  /** Of the refusal that answered. */
  readonly code: string | undefined
  readonly outcome: Outcome
  readonly ms: number
}

/** Takes the place of the log, at whatever level: every exchange is told. */
export type ExchangeObserver = (request: IncomingMessage, exchange: Exchange) => void

const acceptableId = /^[A-Za-z0-9._-]{1,128}$/
const finishChannel = 'http.server.response.finish'

/**
 * The access log of a server: one line for every exchange, with its outcome. Exchanges that went well are logged at debug; refusals, and exchanges that a client, a
 * session's end or a drain cut short, at info; failures at warn. Query strings are never logged. `isTrusted` says whose
 * `X-Request-Id` is believed, `authPath` what BetterAuth is below.
 */
export function createAccessLog(
  server: Server,
  log: Logger,
  isTrusted: (address: string | undefined) => boolean,
  authPath: string,
  observe?: ExchangeObserver | undefined
) {
  const belowAuth = `${authPath}/`

  function write(request: LoggedRequest, outcome: Outcome, status: number | undefined): void {
    if (request.logged) return
    request.logged = true
    const level = levelOf(outcome, status)
    if (observe === undefined && !log.isLevelEnabled(level)) return
    const { id, method, arrivedAt, code } = request
    const path = loggedPath(request, belowAuth)
    const ms = Math.round(performance.now() - arrivedAt)
    const exchange: Exchange = { requestId: id, method, path, status, code, outcome, ms }
    if (observe === undefined) log[level](exchange, 'request')
    else observe(request, exchange)
  }

  function finished(request: IncomingMessage, { statusCode }: ServerResponse): void {
    if (request instanceof LoggedRequest) write(request, request.outcome ?? 'finished', statusCode)
  }

  function aborted(request: LoggedRequest): void {
    const response = responseOn(request.socket)
    const status = response?.req === request && response.headersSent ? response.statusCode : undefined
    write(request, request.outcome ?? 'client left', status)
  }

  // Node publishes every finished response of the process on one channel. A listener on each response would cost more
  // than all hooks together.
  function onFinish(message: unknown): void {
    if (!isRecord(message) || message['server'] !== server) return
    const { request, response } = message
    if (request instanceof LoggedRequest && response instanceof ServerResponse) finished(request, response)
  }
  subscribe(finishChannel, onFinish)

  return {
    /** Fastify's `genReqId`: the id that a trusted peer gave to a request, or a new one. */
    requestId(request: IncomingMessage): string {
      const given = request.headers['x-request-id']
      const accepted = typeof given === 'string' && acceptableId.test(given) && isTrusted(request.socket.remoteAddress)
      const id = accepted ? given : randomUUID()
      if (request instanceof LoggedRequest) {
        request.id = id
        request.onAborted = aborted
      }
      return id
    },
    /** A response that Node does not report as finished by itself, that of an upgrade, was sent. */
    finished,
    /** Says how an exchange ends that does not simply finish; the line follows when it is over, which a 101 is by now. */
    outcome(request: IncomingMessage, outcome: Outcome, status?: number): void {
      if (!(request instanceof LoggedRequest)) return
      request.outcome ??= outcome
      if (status === 101 || request.socket.destroyed) write(request, request.outcome, status)
    },
    stop: () => void unsubscribe(finishChannel, onFinish)
  }
}

// Exchanges that did not finish, without anything having failed.
const cutShort: ReadonlySet<Outcome> = new Set(['client left', 'session ended', 'going away'])

function levelOf(outcome: Outcome, status = 0): 'debug' | 'info' | 'warn' {
  if (status >= 500) return 'warn'
  if (outcome === 'finished') return status >= 400 ? 'info' : 'debug'
  return cutShort.has(outcome) || status >= 400 ? 'info' : 'warn'
}

/**
 * The path without its query string. Below BetterAuth's, segments that may be a token (of a password reset, of a
 * verification) are left out. What is below that is decided by the canonical target, whatever the client's
 * spelling; a target that was refused has no canonical form and may be such a path too.
 */
function loggedPath({ originalUrl, url = '' }: LoggedRequest, belowAuth: string): string {
  const [path = ''] = (originalUrl ?? url).split('?', 1)
  const isJudged = originalUrl !== undefined && url !== refusedTarget
  if (isJudged && !url.startsWith(belowAuth)) return path
  const segments = path.split('/').map((segment) => (/^[a-z0-9-]{0,23}$/.test(segment) ? segment : '…'))
  return segments.join('/')
}
