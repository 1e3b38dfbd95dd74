import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { Outcome } from '../../auth/live-connections.ts'
import { responseOn } from '../../proxy/lingering-close.ts'
import { refusedTarget } from '../../proxy/request-validation.ts'

/** A request as the public listener makes it: it carries what its log line will say. */
export class NamedRequest extends IncomingMessage {
  /** Milliseconds on the process's own clock. */
  readonly arrivedAt = performance.now()
  /** `X-Request-Id`; empty until it is named. */
  id = ''
  /** The target as it came. Fastify's property: `url` becomes what the router sees. */
  originalUrl: string | undefined = undefined
  /** How the exchange ended; undefined while nobody has said so. */
  outcome: Outcome | undefined = undefined
  /** Whether its line is written. */
  logged = false
  /** The code of the refusal that answered it. */
  code: string | undefined = undefined
  /**
   * Hears that the connection is gone before the response was finished. Not of a request whose body was read to its end:
   * whoever answers such a one watches its response.
   */
  onAborted: ((request: NamedRequest) => void) | undefined = undefined

  /** Node destroys a request when its connection goes before the response is finished, and also once its body is read. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.socket.destroyed) this.onAborted?.(this)
    super._destroy(error, done)
  }
}

const believableId = /^[A-Za-z0-9._-]{1,128}$/

/** Fastify's `genReqId`: the id that a trusted peer gave to a request, or a new one. `onAborted` is the request's own. */
export function createNaming(
  isTrusted: (address: string | undefined) => boolean,
  onAborted: (request: NamedRequest) => void
): (request: IncomingMessage) => string {
  return function nameRequest(request) {
    const given = request.headers['x-request-id']
    const believed = typeof given === 'string' && believableId.test(given) && isTrusted(request.socket.remoteAddress)
    const id = believed ? given : randomUUID()
    if (request instanceof NamedRequest) {
      request.id = id
      request.onAborted = onAborted
    }
    return id
  }
}

/** One line for every exchange, with its outcome. */
export interface ExchangeLog {
  /** The response is out, whichever it is. */
  finished(request: IncomingMessage, response: ServerResponse): void
  /** The connection is gone and the response was not finished. */
  aborted(request: NamedRequest): void
  /** Says how an exchange ends that does not simply finish; the line follows when it is over, which a 101 is by now. */
  outcome(request: IncomingMessage, outcome: Outcome, status?: number): void
}

// What is nobody's failure, and did not finish.
const cutShort: ReadonlySet<Outcome> = new Set(['client left', 'session ended', 'going away'])

/**
 * One line an exchange: what went well at debug; refusals, and what was cut short, at info; failures at warn. Never a
 * query string.
 */
export function createExchangeLog(log: Logger): ExchangeLog {
  function write(request: NamedRequest, outcome: Outcome, status: number | undefined): void {
    if (request.logged) return
    request.logged = true
    const level = levelOf(outcome, status)
    if (!log.isLevelEnabled(level)) return
    const { id, method, arrivedAt, code } = request
    const path = loggedPath(request)
    const ms = Math.round(performance.now() - arrivedAt)
    log[level]({ requestId: id, method, path, status, code, outcome, ms }, 'request')
  }

  return {
    finished(request, { statusCode }) {
      if (request instanceof NamedRequest) write(request, request.outcome ?? 'finished', statusCode)
    },
    aborted(request) {
      const response = responseOn(request.socket)
      const status = response?.req === request && response.headersSent ? response.statusCode : undefined
      write(request, request.outcome ?? 'client left', status)
    },
    outcome(request, outcome, status) {
      if (!(request instanceof NamedRequest)) return
      request.outcome ??= outcome
      if (status === 101 || request.socket.destroyed) write(request, request.outcome, status)
    }
  }
}

function levelOf(outcome: Outcome, status = 0): 'debug' | 'info' | 'warn' {
  if (status >= 500) return 'warn'
  if (outcome === 'finished') return status >= 400 ? 'info' : 'debug'
  return cutShort.has(outcome) || status >= 400 ? 'info' : 'warn'
}

/**
 * Calls `onFinish` for every response that this server has finished, until the function that comes back is called.
 * Node tells all of a process's listeners at once; a listener for each response would cost more than all hooks together.
 */
export function followResponses(server: Server, onFinish: ExchangeLog['finished']): () => void {
  const channel = 'http.server.response.finish'
  function onMessage(message: unknown): void {
    if (!isFinish(message) || message.server !== server) return
    onFinish(message.request, message.response)
  }
  subscribe(channel, onMessage)
  return () => unsubscribe(channel, onMessage)
}

interface Finish {
  readonly server: unknown
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

function isFinish(message: unknown): message is Finish {
  if (typeof message !== 'object' || message === null) return false
  if (!('server' in message && 'request' in message && 'response' in message)) return false
  return message.request instanceof IncomingMessage && message.response instanceof ServerResponse
}

// The path without its query string, and without what BetterAuth puts into paths: tokens of reset and verification. It is
// the one reading that counts, however it was spelled; what could be read in two ways may be such a path as well.
function loggedPath({ originalUrl, url = '' }: NamedRequest): string {
  const [path = ''] = (originalUrl ?? url).split('?', 1)
  const isJudged = originalUrl !== undefined && url !== refusedTarget
  if (isJudged && !url.startsWith('/api/auth/')) return path
  const named = path.split('/').map((segment) => (/^[a-z0-9-]{0,23}$/.test(segment) ? segment : '…'))
  return named.join('/')
}
