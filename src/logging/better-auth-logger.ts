import type { BetterAuthOptions } from 'better-auth/minimal'
import type { Logger } from 'pino'
import betterAuthMessages from './better-auth-messages.json' with { type: 'json' }
import { framesOf } from './logger.ts'

/**
 * BetterAuth's `logger` option. BetterAuth puts clients' text into its messages, so only the words that its own source
 * spells out are logged. Of its arguments errors alone are logged, redacted. A message that is not in the list of
 * BetterAuth's messages is replaced by the stack frames of the call.
 */
export function createBetterAuthLogger(
  log: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>
): NonNullable<BetterAuthOptions['logger']> {
  return {
    level: 'warn',
    log(level, message: unknown, ...args) {
      const words = typeof message === 'string' ? spelledOut(message) : undefined
      const err = [message, ...args].find((arg) => arg instanceof Error)
      const details = { err, frames: words === undefined ? callers() : undefined }
      log[level](details, `auth: ${words ?? 'a message that is not repeated, because a client may have a part in it'}`)
    }
  }
}

const hole = '…'
// Two messages that the list has only with less in them: `Invalid …: …` would not say which check failed, and the other
// is put together outside the call of the logger.
const fuller = [
  ...['callbackURL', 'redirectURL', 'errorCallbackURL', 'newUserCallbackURL'].map((name) => `Invalid ${name}: ${hole}`),
  `Provider "${hole}" did not return an email`
]
// better-auth-messages.json holds the warnings and errors that BetterAuth 1.7.25 logs, as its source spells them; "…" stands
// for what is put in, which may be a client's text. `test/auth/better-auth-messages.test.ts` holds the list against that
// source. A message may match several templates; the one with the longest head says most.
const templates = [...betterAuthMessages, ...fuller]
  .map((message) => {
    const [head = '', ...rest] = message.split(hole)
    return { text: message.replaceAll(/[\u0000-\u0020]+/g, ' ').trim(), head, rest }
  })
  .sort((a, b) => b.head.length - a.head.length)
const longestRead = 2_048

/** What BetterAuth's source spells out of this message, "…" for the rest; undefined where it is none of BetterAuth's. */
function spelledOut(message: string): string | undefined {
  // Cut first, because a client's text in it may be of any length.
  const start = message.slice(0, longestRead)
  return templates.find(({ head, rest }) => start.startsWith(head) && isInOrder(start, head.length, rest))?.text
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

/** The stack frames of the code that called BetterAuth's logger. */
function callers(): string[] {
  return framesOf(new Error('here')).filter((frame) => !/auth-logger\.ts|[/\\]env[/\\]logger\.mjs/.test(frame))
}
