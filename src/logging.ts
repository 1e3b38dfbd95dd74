import type { FastifyReply, FastifyRequest } from 'fastify'
import { type DestinationStream, type Logger, pino } from 'pino'

interface LoggedError {
  readonly type: string
  readonly code?: string
  readonly frames?: readonly string[]
  readonly cause?: LoggedError
}

const deepestCause = 5

/** JSON lines at this pino level. No serializer lets headers, bodies, query strings or error messages through. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { name: 'gatehouse' },
    serializers: { err: serializeError, error: serializeError, req: nothing, res: nothing }
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

// Messages of foreign errors carry what failed: query parameters with session tokens, connection strings, values of
// headers. Their type, their code and where they came from are enough to find the cause.
function serializeError(error: unknown, depth = 0): LoggedError | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const frames = error.stack
    ?.split('\n')
    .filter((line) => /^ {4}at /.test(line))
    .slice(0, 8)
  const cause = depth < deepestCause ? serializeError(error.cause, depth + 1) : undefined
  return {
    type: error.name,
    ...(code === undefined ? {} : { code }),
    ...(frames === undefined ? {} : { frames: frames.map((line) => line.trim()) }),
    ...(cause === undefined ? {} : { cause })
  }
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
      const [path] = request.originalUrl.split('?', 1)
      const ms = Math.round(reply.elapsedTime)
      log[level]({ requestId: request.id, method: request.method, path, status: statusCode, ms }, 'request')
    }
    done()
  }
}
