import type { BetterAuthOptions } from 'better-auth/minimal'
import { betterAuthMessages } from './better-auth-messages.ts'

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

/**
 * BetterAuth's `logger` option. Of a message only what BetterAuth's own source spells out is repeated, whatever a client
 * had it put in; of arguments, errors alone are described. What is not known to be BetterAuth's is told by its place.
 */
export function createAuthLogger(log: AuthLog): NonNullable<BetterAuthOptions['logger']> {
  return {
    level: 'warn',
    log(level, message: unknown, ...args) {
      const known = typeof message === 'string' ? spelledOut(message) : undefined
      const error = [message, ...args].find((arg) => arg instanceof Error)
      const details = {
        ...(error !== undefined && { failure: describeError(error) }),
        ...(known === undefined && { frames: callers() })
      }
      log[level](details, `auth: ${known ?? 'a message that is not repeated, because a client may have a part in it'}`)
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

interface Spelled {
  /** The message as it is logged. */
  readonly text: string
  /** What it begins with, and what has to follow, in this order. */
  readonly head: string
  readonly rest: readonly string[]
}

const hole = '…'
// One call has a name for its hole that tells which check failed, and one message is put together elsewhere.
const fuller = [
  ...['callbackURL', 'redirectURL', 'errorCallbackURL', 'newUserCallbackURL'].map((name) => `Invalid ${name}: ${hole}`),
  `Provider "${hole}" did not return an email`
]
// The longest beginnings first: they say most.
const spelled: readonly Spelled[] = [...betterAuthMessages, ...fuller]
  .map((message) => {
    const [head = '', ...rest] = message.split(hole)
    return { text: message.replaceAll(/[\u0000-\u0020]+/g, ' ').trim(), head, rest }
  })
  .sort((a, b) => b.head.length - a.head.length)
const longestRead = 2_048

/** What BetterAuth's source spells out of this message, "…" for the rest; undefined where it is none of BetterAuth's. */
function spelledOut(message: string): string | undefined {
  // Cut before it is looked at: clients decide how long it is.
  const start = message.slice(0, longestRead)
  return spelled.find(({ head, rest }) => start.startsWith(head) && isInOrder(start, head.length, rest))?.text
}

function isInOrder(text: string, from: number, parts: readonly string[]): boolean {
  let at = from
  for (const part of parts) {
    const found = text.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return true
}

// Who called BetterAuth's logger.
function callers(): string[] {
  return framesOf(new Error('here')).filter((frame) => !/auth-logger\.ts|[/\\]env[/\\]logger\.mjs/.test(frame))
}
