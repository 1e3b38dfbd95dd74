import { DrizzleQueryError } from 'drizzle-orm'
import t from 'tap'
import { createBetterAuthLogger } from '../../src/logging/better-auth-logger.ts'
import { createLogger, redactError } from '../../src/logging/logger.ts'

function recorder() {
  const lines: string[] = []
  const log = createLogger('debug', { write: (line) => void lines.push(line.trimEnd()) })
  return { lines, logger: createBetterAuthLogger(log) }
}

const token = 'aBcDeFgHiJkLmNoPqRsTuVwXyZ012345'

t.test('a failed query is logged by name, SQLSTATE and place, never with its parameters', async (t) => {
  const { lines, logger } = recorder()
  const cause = Object.assign(new Error(`Key (token)=(${token}) already exists`), { code: '23505' })
  const error = new DrizzleQueryError('select * from session where token = $1', [token], cause)
  logger.log?.('error', 'Better auth was unable to query your database.\nError: ', error)
  t.equal(lines.length, 1)
  t.match(lines[0], /DrizzleQueryError/)
  t.match(lines[0], /23505/)
  t.match(lines[0], /better-auth-logger\.test\.ts/)
  t.notMatch(lines[0], /aBcDeFgH|select/)
})

t.test('a parameter that looks like a stack frame stays out too', async (t) => {
  const error = new DrizzleQueryError('insert', [`x\n    at ${token} (y:1:1)`], new Error('gone'))
  t.notMatch(JSON.stringify(redactError(error)), /aBcDeFgH/)
})

t.test('arguments other than errors are left out, and of messages everything that was put into them', async (t) => {
  const { lines, logger } = recorder()
  logger.log?.('warn', 'User not found', { token }, token)
  logger.log?.('warn', `Sign-up attempt for existing email: ada@example.org`)
  logger.log?.('error', `Invalid origin: https://user:pw@evil.example/path?token=${token}`)
  logger.log?.('error', `Failed query: select $1\nparams: ${token}`)
  logger.log?.('error', `no session for ${token}\r\nforged line`)
  logger.log?.('error', `cannot connect to postgres://user:pw@db/x`)
  const text = lines.join('\n')
  t.notMatch(text, /aBcDeFgH|ada@|pw|evil|forged|\\r|\\n/)
  t.match(text, /auth: User not found/)
  t.match(text, /auth: Invalid origin: …/)
})

t.test('what was thrown need not be an error', async (t) => {
  t.same(redactError(token), { type: 'string', code: undefined, frames: [] })
  t.same(redactError(null), { type: 'object', code: undefined, frames: [] })
})
