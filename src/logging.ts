import { type DestinationStream, destination, type Logger, pino } from 'pino'
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

/** Writes log lines; `flushSync` has them out when it returns. */
export interface LineWriter extends DestinationStream {
  flushSync(): void
}

/**
 * Standard output for log lines: those of one turn of the event loop are written together, and nobody waits for whoever
 * reads them. Refusing a flood of requests would otherwise cost more in writing it down than in refusing. `atExit` is
 * given what writes the last of them.
 */
export function createLineWriter(atExit: (work: () => void) => void): LineWriter {
  const out = destination({ sync: false })
  let lines = ''

  function flush(): void {
    if (lines === '') return
    out.write(lines)
    lines = ''
  }
  function flushSync(): void {
    flush()
    out.flushSync()
  }
  atExit(flushSync)
  return {
    write(line) {
      if (lines === '') setImmediate(flush)
      lines += line
    },
    flushSync
  }
}
