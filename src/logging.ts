import type { FastifyReply, FastifyRequest } from 'fastify'
import { type DestinationStream, type Logger, pino } from 'pino'
import { describeError } from '../auth/auth-logger.ts'

/** JSON lines at this pino level. No serializer lets headers, bodies, query strings or error messages through. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { name: 'gatehouse' },
    // Messages of foreign errors carry what failed: parameters with session tokens, connection strings, header values.
    serializers: { err: describeError, error: describeError, req: nothing, res: nothing }
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

function nothing(): undefined {
  return undefined
}

/** One line a request: what answered well at debug, refusals at info, failures at warn. Never a query string. */
export function createResponseLog(log: Logger) {
  return function logResponse(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    const { statusCode } = reply.raw
    const level = statusCode >= 500 ? 'warn' : statusCode >= 400 ? 'info' : 'debug'
    if (log.isLevelEnabled(level)) {
      const path = loggedPath(request.originalUrl)
      const ms = Math.round(reply.elapsedTime)
      log[level]({ requestId: request.id, method: request.method, path, status: statusCode, ms }, 'request')
    }
    done()
  }
}

// The path without its query string, and without what BetterAuth puts into paths: tokens of reset and verification.
function loggedPath(target: string): string {
  const [path = ''] = target.split('?', 1)
  if (!path.startsWith('/api/auth/')) return path
  const named = path.split('/').map((segment) => (/^[a-z0-9-]{0,23}$/.test(segment) ? segment : '…'))
  return named.join('/')
}
