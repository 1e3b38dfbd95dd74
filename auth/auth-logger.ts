import type { BetterAuthOptions } from 'better-auth/minimal'

type Write = (details: object, message: string) => void

/** What the auth room writes its log lines to; a pino logger fits. */
export interface AuthLog {
  readonly debug: Write
  readonly info: Write
  readonly warn: Write
  readonly error: Write
}

/** What may be said about an error in a log: never its message, which can hold a query's parameters. */
export interface ErrorDescription {
  readonly type: string
  /** The first `code` on the way down the causes: a SQLSTATE, an errno name, a library's code. */
  readonly code: string | undefined
  readonly frames: readonly string[]
}

/** BetterAuth's `logger` option. Messages are stripped of addresses and tokens; of arguments, errors alone are described. */
export function createAuthLogger(log: AuthLog): NonNullable<BetterAuthOptions['logger']> {
  return {
    level: 'warn',
    log(level, message, ...args) {
      const error = args.find((arg) => arg instanceof Error)
      log[level](error === undefined ? {} : { failure: describeError(error) }, `auth: ${redact(message)}`)
    }
  }
}

/** Name, code and stack frames of an error, without its message. Never throws. */
export function describeError(error: unknown): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, code: undefined, frames: [] }
  return { type: error.constructor.name, code: codeOf(error), frames: framesOf(error) }
}

function codeOf(error: Error): string | undefined {
  let current: unknown = error
  for (let depth = 0; depth < 5 && current instanceof Error; depth++) {
    const code: unknown = 'code' in current ? current.code : undefined
    if (typeof code === 'string' && /^\w{1,64}$/.test(code)) return code
    current = current.cause
  }
  return undefined
}

function framesOf(error: Error): string[] {
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

function redact(message: unknown): string {
  if (typeof message !== 'string') return 'BetterAuth reported a problem'
  return message
    .replace(/(?:failed query|params):.*/is, '[query]')
    .replace(/[a-z][a-z+.-]*:\/\/[^\s"'<>]+/gi, originOf)
    .replace(/[^\s"'<>]+@[^\s"'<>]+/g, '[address]')
    .replace(/(?<![:/\w.-])[\w+/=%.-]{24,}/g, '[redacted]')
    .replace(/[\u0000-\u001f\u007f]+/g, ' ')
    .trim()
    .slice(0, 300)
}

function originOf(url: string): string {
  return URL.canParse(url) && /^https?:/i.test(url) ? new URL(url).origin : '[url]'
}
