import { type DestinationStream, destination, type Logger, pino } from 'pino'
import { codeOf } from '../../db/error-code.ts'

/**
 * JSON lines at this pino level. An error is logged as `err` and comes out redacted; requests and responses do not come
 * out at all, so that no headers, bodies or query strings are logged.
 */
export function createLogger(level: string, destination: DestinationStream): Logger {
  const options = {
    level,
    base: { name: 'gatehouse' },
    serializers: { err: redactError, error: redactError, req: () => undefined, res: () => undefined }
  }
  return pino(options, destination)
}

/**
 * Type, code and stack frames of an error, without its message: those of libraries hold a query's parameters (session
 * tokens among them), connection strings or header values. Never throws.
 */
export function redactError(error: unknown): { type: string; code: string | undefined; frames: string[] } {
  if (!(error instanceof Error)) return { type: typeof error, code: undefined, frames: [] }
  return { type: error.constructor.name, code: firstCode(error), frames: framesOf(error) }
}

/** The first `code` among an error and its causes, five deep: a SQLSTATE, an errno name, a library's code. */
function firstCode(error: unknown, depth = 5): string | undefined {
  if (depth === 0 || !(error instanceof Error)) return undefined
  const code = codeOf(error)
  return code !== undefined && /^\w{1,64}$/.test(code) ? code : firstCode(error.cause, depth - 1)
}

/** The first eight stack frames. */
export function framesOf(error: Error): string[] {
  const stack = error.stack ?? ''
  // The stack starts with the message, and a message can be made to look like frames.
  const start = stack.indexOf(error.message)
  if (start === -1) return []
  return stack
    .slice(start + error.message.length)
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8)
    .map((line) => line.trim())
}

/**
 * Standard output for log lines. The lines of one turn of the event loop are written together, without waiting for the
 * reader: with a write for each line, a flood of refused requests would cost more CPU to log than to refuse. `atExit`
 * registers what writes the last lines when the process exits; pino calls `flushSync` for the same after a fatal line.
 */
export function createLogDestination(
  atExit: (work: () => void) => void
): DestinationStream & { readonly flushSync: () => void } {
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
