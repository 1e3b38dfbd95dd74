import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { socialProviderList } from '@better-auth/core/social-providers'
import { Ajv } from 'ajv'
import t from 'tap'
import { getStaticTOMLValue, parseTOML } from 'toml-eslint-parser'
import { bodyLimitProblems } from '../../auth/body-limits.ts'
import { brandProblems } from '../../auth/pages/theme.ts'
import { rateLimitProblems } from '../../auth/path-rate-limits.ts'
import { extensionProblems } from '../../auth/policy-auth-options.ts'
import { lifetimeProblems } from '../../auth/session-lifetimes.ts'
import { schemaText } from '../../docs/policy-schema.ts'
import { schemaFile, schemaLine } from '../../src/config/schema-line.ts'
import { tomlShape } from '../../src/config/toml-schema.ts'
import { blocksOf, pages, root } from '../docs/documents.ts'

const run = promisify(execFile)
const shipped = readFileSync(schemaFile, 'utf8')
// Editors know further keywords, such as what is not offered.
const accepts = new Ajv({ strict: false, allErrors: true }).compile(JSON.parse(shipped))
const read = (text: string) => getStaticTOMLValue(parseTOML(text))

t.test('the schema that is shipped is what `npm run docs` makes of the policy’s own', async (t) => {
  t.equal(shipped, schemaText())
})

t.test('the first line of a file leads to it', async (t) => {
  t.equal(schemaLine(dirname(schemaFile)), '#:schema ./gatehouse.schema.json')
  t.equal(
    schemaLine('/srv/app', '/srv/app/node_modules/x/gatehouse.schema.json'),
    '#:schema ./node_modules/x/gatehouse.schema.json'
  )
  t.equal(schemaLine('/srv/app', '/srv/venv/gatehouse.schema.json'), '#:schema ../venv/gatehouse.schema.json')
  t.equal(join(root, schemaLine(root).replace('#:schema ', '')), schemaFile)
})

t.test('it accepts every TOML policy that is shown', async (t) => {
  const shown = pages.flatMap(blocksOf).filter(({ language }) => language === 'toml')
  t.ok(shown.length >= 3)
  for (const { page, text } of shown) {
    const document: unknown = read(text)
    const { tool } = document as { tool?: { gatehouse?: unknown } } // of a pyproject.toml
    t.ok(accepts(tool?.gatehouse ?? document), `${page}: ${text.slice(0, 60)}: ${JSON.stringify(accepts.errors)}`)
  }
})

const refused = [
  'rout = []',
  'routes = {}',
  '[[routes]]\npath = "/a"',
  '[[routes]]\npath = "/a"\naccess = "open"',
  '[[routes]]\npath = "/a"\naccess = "public"\nmethods = ["get"]',
  '[[routes]]\npath = "/a"\naccess = "session"\nkeep_open = "yes"',
  '[[routes]]\npath = "/a"\naccess = "session"\nkeep_open = true\nkeepOpen = true',
  '[upstreams.a]\nurl = "http://127.0.0.1:1"\ntoken = "secret"',
  '[upstreams.a]\nurl = "http://127.0.0.1:1"\ntoken_env = "not a name"',
  '[auth.social_providers.github]\nclient_id = "a"\nclient_secret = "b"',
  '[auth.social_providers.githup]\nclient_id = "a"',
  '[auth]\nsecret = "x"',
  '[auth]\nplugins = ["phone-number"]',
  '[auth.email_and_password]\nmin_password_length = "12"',
  '[auth.email_and_password]\nmin_pasword_length = 12',
  '[auth.user]\nmodel_name = "users"',
  '[session]\nper_user = "5"',
  '[mail]\nhost = "mail.example.com"',
  '[mail]\nhost = "mail.example.com"\nfrom = "a@example.com"\npassword = "x"',
  '[mail.templates.welcome]\ntext = "x"'
]

t.test('it refuses what the gateway refuses', async (t) => {
  for (const text of refused) t.notOk(accepts(read(text)), text)
})

t.test('an editor finds it by the first line, and marks what is wrong with a file', async (t) => {
  const good = '[[routes]]\npath = "/a"\naccess = "public"\nkeepOpen = true\n'
  const line = (folder: string) => `${schemaLine(folder)}\n`
  const folder = t.testdir({ 'good.toml': '', 'bad.toml': '' })
  await writeFile(join(folder, 'good.toml'), line(folder) + good)
  await writeFile(
    join(folder, 'bad.toml'),
    `${line(folder)}[[routes]]\npath = "/a"\naccess = "open"\nkeep_opn = true\n`
  )
  // The engine of the editors' extension: its regular expressions are not those of JavaScript.
  const lint = (name: string) =>
    run(process.execPath, [join(root, 'node_modules/@taplo/cli/dist/cli.js'), 'lint', '--no-auto-config', name], {
      cwd: folder,
      env: {}
    })
  await t.resolves(lint('good.toml'))
  await t.rejects(lint('bad.toml'), { code: 1, stderr: /"open" is not one of[\s\S]*'keep_opn' was unexpected/ })
})

t.test('what it shows of the sections that functions judge is what they know', async (t) => {
  const { properties = {} } = tomlShape()
  const judges: readonly (readonly [
    section: string,
    judge: (section: unknown) => string[],
    wrap?: (inner: object) => object
  ])[] = [
    ['brand', (brand) => brandProblems(brand, root)],
    ['session', lifetimeProblems],
    ['auth', extensionProblems],
    ['rateLimits', (limits) => rateLimitProblems(limits, '/api/auth'), (limit) => ({ '/api/auth/x': limit })]
  ]
  for (const [section, judge, wrap = (inner: object) => inner] of judges) {
    const shape = properties[section]
    const inner =
      shape?.properties ??
      (typeof shape?.additionalProperties === 'object' ? shape.additionalProperties.properties : undefined)
    t.ok(inner !== undefined && Object.keys(inner).length > 1, section)
    for (const name of Object.keys(inner ?? {}))
      t.notMatch(judge(wrap({ [name]: null })), [/is not known/], `${section}.${name} is known to the judge`)
    t.match(judge(wrap({ nonsense: null })).join(), /is not known/, section)
  }
  t.match(bodyLimitProblems({ '/api/auth/x': 'y' }, '/api/auth'), [/must be a whole number/])
})

t.test('it has all of BetterAuth’s social providers', async (t) => {
  const { properties = {} } = tomlShape()
  const providers = properties['auth']?.properties?.['socialProviders']?.properties ?? {}
  t.same(Object.keys(providers).sort(), [...socialProviderList].sort())
})
