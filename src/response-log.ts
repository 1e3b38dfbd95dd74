import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { NamedRequest } from './named-request.ts'

/** Writes the line of a response that is over, if its level is on. */
export type LogResponse = (request: IncomingMessage, response: ServerResponse) => void

/** One line a request: what answered well at debug, refusals at info, failures at warn. Never a query string. */
export function createResponseLog(log: Logger): LogResponse {
  return function logResponse(request, { statusCode }) {
    const level = statusCode >= 500 ? 'warn' : statusCode >= 400 ? 'info' : 'debug'
    if (!log.isLevelEnabled(level) || !(request instanceof NamedRequest)) return
    const { id, method, arrivedAt } = request
    const path = loggedPath(request.originalUrl ?? request.url ?? '')
    const ms = Math.round(performance.now() - arrivedAt)
    log[level]({ requestId: id, method, path, status: statusCode, ms }, 'request')
  }
}

/**
 * Calls `logResponse` for every response that this server has finished, until the function that comes back is called.
 * Node tells all of a process's listeners at once; a listener for each response would cost more than all hooks together.
 */
export function followResponses(server: Server, logResponse: LogResponse): () => void {
  const channel = 'http.server.response.finish'
  function onFinish(message: unknown): void {
    if (!isFinish(message) || message.server !== server) return
    logResponse(message.request, message.response)
  }
  subscribe(channel, onFinish)
  return () => unsubscribe(channel, onFinish)
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

// The path without its query string, and without what BetterAuth puts into paths: tokens of reset and verification.
function loggedPath(target: string): string {
  const [path = ''] = target.split('?', 1)
  if (!path.startsWith('/api/auth/')) return path
  const named = path.split('/').map((segment) => (/^[a-z0-9-]{0,23}$/.test(segment) ? segment : '…'))
  return named.join('/')
}
