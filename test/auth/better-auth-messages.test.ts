import t from 'tap'
import { createBetterAuthLogger } from '../../src/logging/better-auth-logger.ts'
import betterAuthMessages from '../../src/logging/better-auth-messages.json' with { type: 'json' }
import { createLogger } from '../../src/logging/logger.ts'
import { hole, loggedMessages, messagesIn } from '../support/log-calls.ts'

const sent = `client-text?token=${'s3cr3t'.repeat(10)}`

function lineFor(message: unknown, ...args: unknown[]): string {
  const lines: string[] = []
  const log = createLogger('debug', { write: (line) => void lines.push(line) })
  // BetterAuth hands over messages that are none: its type is not what it does.
  createBetterAuthLogger(log).log?.('error', message as string, ...args)
  return lines.join('\n')
}

t.test('the list is what the installed BetterAuth says', async (t) => {
  // What begins with something put in tells nothing by its beginning: such a message is told by its place.
  const expected = loggedMessages().filter((message) => /[A-Za-z]{3}/.test(message.split(hole, 1)[0] ?? ''))
  t.ok(expected.length > 100)
  t.same([...betterAuthMessages], expected)
})

t.test('the scan sees every way in which a message is handed over', async (t) => {
  const code = `
    ctx.context.logger.error(\`Invalid \${label}: \${url}\`)
    logger?.warn('one', url)
    ctx.context.logger?.error("two " + url)
    ctx.logger.error(error.message)
    logger.info(\`three \${url}\`)
    other.error(\`four \${url}\`)`
  t.same(messagesIn(code), [`Invalid ${hole}: ${hole}`, 'one', `two ${hole}`, hole])
})

t.test('no message that anything is put into carries it into the log', async (t) => {
  const withHoles = loggedMessages().filter((message) => message.includes(hole))
  t.ok(withHoles.length > 20)
  for (const message of withHoles) {
    const line = lineFor(message.replaceAll(hole, sent), { sent }, sent)
    t.notMatch(line, /client-text|s3cr3t/, message)
  }
})

t.test('a message says which check failed', async (t) => {
  const checks = ['callbackURL', 'redirectURL', 'errorCallbackURL', 'newUserCallbackURL', 'origin']
  for (const check of checks) t.match(lineFor(`Invalid ${check}: ${sent}`), `auth: Invalid ${check}: ${hole}`)
  t.match(lineFor('Failed to create session'), 'auth: Failed to create session')
  t.match(lineFor(`Social provider google is missing clientId or clientSecret`), /is missing clientId or clientSecret/)
})

t.test('what is not known to be BetterAuth’s is told by its place and by nothing else', async (t) => {
  for (const message of [sent, '', `the column ${sent} does not exist`, new Error(sent), { sent }, undefined]) {
    const line = lineFor(message)
    t.match(line, /better-auth-messages\.test\.ts:\d+/)
    t.notMatch(line, /client-text|s3cr3t|auth-logger/)
  }
  t.match(lineFor(new TypeError(sent)), /"type":"TypeError"/)
})
