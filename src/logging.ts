import { type DestinationStream, type Logger, pino } from 'pino'
import { describeError } from '../auth/auth-logger.ts'

/** JSON lines at this pino level. No serializer lets headers, bodies, query strings or error messages through. */
export function createLogger(level: string, destination: DestinationStream): Logger {
  const options = {
    level,
    base: { name: 'gatehouse' },
    // Messages of foreign errors carry what failed: parameters with session tokens, connection strings, header values.
    serializers: { err: describeError, error: describeError, req: nothing, res: nothing }
  }
  return pino(options, destination)
}

function nothing(): undefined {
  return undefined
}
