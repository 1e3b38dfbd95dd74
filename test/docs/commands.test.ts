import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { variableNames } from '../../src/config/environment.ts'
import { pages, root } from './documents.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const scripts = Object.keys(JSON.parse(read('package.json')).scripts)
const commands = [...read('src/cli.ts').matchAll(/\.command\('(\w+)'\)/g)].map(([, name = '']) => name)
const problems = [...read('auth/refusals.ts').matchAll(/^ {2}([A-Z][A-Z_]+): \[/gm)].map(([, code = '']) => code)
const databaseProblems = [...read('db/coded-errors.ts').matchAll(/^ {2}'([A-Z][A-Z_]+)',$/gm)].map(
  ([, code = '']) => code
)

// Names in capitals that belong to somebody else.
const foreign = [
  'NODE_ENV',
  'NODE_OPTIONS',
  'CHROMIUM_PATH', // the tests'
  'FORWARDED_ALLOW_IPS', // uvicorn
  'GATEWAY_URL', // the example site's
  'SITE_URL',
  'SCRIPT_NAME', // variables of WSGI
  'HTTP_X_USER_ID',
  'GITHUB_CLIENT_ID', // the example of a social provider
  'GITHUB_CLIENT_SECRET',
  'APP_DATABASE_URL', // the recipes'
  'GOOGLE_CLIENT_ID',
  'GOOGLE_CLIENT_SECRET',
  'SMTP_URL',
  'ACCOUNT_CHANGED', // what /api/auth answers in BetterAuth's form
  'INVALID_EMAIL_OR_PASSWORD', // BetterAuth's codes
  'MISSING_OR_NULL_ORIGIN',
  'PASSWORD_TOO_LONG',
  'USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL'
]

for (const { path, text } of pages.filter((page) => page.path !== 'docs/upstream-notes.md')) {
  t.test(`${path} names only commands and variables that exist`, async (t) => {
    for (const [, name = ''] of text.matchAll(/\bnpm run (?:--silent )?([\w:]+)/g)) t.ok(scripts.includes(name), name)
    for (const [, name = ''] of text.matchAll(/\bnpm (start|test)\b/g)) t.ok(scripts.includes(name), name)
    for (const [, name = ''] of text.matchAll(/(?:\bgatehouse --|`gatehouse|cli\.ts) ([a-z]+)/g))
      t.ok(commands.includes(name), `gatehouse ${name}`)

    // The codes of this page are those that a gateway has answered with.
    const named =
      path === 'docs/auth-api.md' ? [] : text.matchAll(/(?:`|^|\s|')([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?==|`|')/gm)
    for (const [, name = ''] of named)
      t.ok(
        [...variableNames, ...problems, ...databaseProblems, ...foreign].includes(name),
        `${name} is a variable or a code`
      )
    t.pass('every name was looked up')
  })
}

t.test('nothing tells to run a package that is not ours', async (t) => {
  for (const { path, text } of pages) t.notMatch(text, /npx gatehouse/, path)
})
