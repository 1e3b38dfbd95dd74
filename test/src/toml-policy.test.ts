import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadSettings } from '../../src/config/load-settings.ts'
import { loadPolicy } from '../../src/policy-file.ts'
import { startSmtp } from '../support/smtp.ts'
import { gatehouse } from './gatehouse.ts'
import { isEach, problemsFrom } from './problems.ts'

type Env = Record<string, string>

async function load(t: Test, text: string | Uint8Array, env: Env = {}, name = 'gatehouse.toml') {
  const path = join(t.testdir(), name)
  await writeFile(path, text)
  return loadPolicy({ path, named: true }, () => [], { env, cwd: '/' })
}

/** The problems of a file, without its name: `line: sentence`. */
async function problemsOf(t: Test, text: string | Uint8Array, env: Env = {}): Promise<string[]> {
  const path = join(t.testdir(), 'gatehouse.toml')
  await writeFile(path, text)
  const problems = await problemsFrom(loadSettings({ ...env, GATEHOUSE_CONFIG: path }, '/'))
  for (const problem of problems) t.ok(problem.startsWith(`${path}:`), problem)
  return problems.map((problem) => problem.slice(path.length + 1))
}

t.test('a TOML file says what a TypeScript file says', async (t) => {
  const toml = `#:schema ./gatehouse.schema.json
principal_headers = ["name", "plan", { field = "motto", client_may_set = true }]

[[routes]]
path = "/docs"
access = "public"

[[routes]]
path = "/users/:id"
access = "optional"
methods = ["GET"]

[[routes]]
path = "/exports/*"
access = "session"
keep_open = true
fresh_within = 300
encoded_slashes = true
upstream = "reports"

[upstreams]
search = "http://127.0.0.1:7700"
reports = { url = "https://reports.internal:8443", timeout = 300, token_env = "REPORTS_TOKEN" }

[brand]
name = "House"
accent = { light = "#204080", dark = "#80a0ff" }

[pages]
path = "/account"

[headers]
drop = ["X-Internal-Tenant"]
pass = ["X-HTTP-Method-Override"]

[bodies]
"/api/auth/stripe/webhook" = 1_048_576

[rate_limits."/api/auth/sign-in/email"]
requests = 20
window = 10
failures = { per_address = 3, in_all = 20 }

[session]
expires_in = 86_400
per_user = 5

[auth]
app_name = "House"
disabled_paths = ["/update-user"]

[auth.email_and_password]
min_password_length = 12
require_email_verification = true

[auth.email_verification]
send_on_sign_up = true

[auth.social_providers.google]
client_id_env = "GOOGLE_CLIENT_ID"
client_secret_env = "GOOGLE_CLIENT_SECRET"
prompt = "select_account"

[auth.social_providers.github]
clientId = "abc"
clientSecretEnv = "GITHUB_SECRET"
redirect_uri = "https://example.com/api/auth/callback/github"

[auth.user.additional_fields]
plan = { type = "string", input = false, default_value = "free" }
motto = { type = "string", required = false }
since = { type = "date", input = false, default_value = 2030-01-02T03:04:05Z }
snake_field = { type = ["small", "large"], field_name = "shirt_size" }

[auth.advanced.database]
generate_id = "uuid"
`
  const typescript = `export default {
    routes: [
      { path: '/docs', access: 'public' },
      { path: '/users/:id', access: 'optional', methods: ['GET'] },
      { path: '/exports/*', access: 'session', keepOpen: true, freshWithin: 300, encodedSlashes: true, upstream: 'reports' }
    ],
    upstreams: {
      search: 'http://127.0.0.1:7700',
      reports: { url: 'https://reports.internal:8443', timeout: 300, token: 'token-of-reports' }
    },
    brand: { name: 'House', accent: { light: '#204080', dark: '#80a0ff' } },
    pages: { path: '/account' },
    headers: { drop: ['X-Internal-Tenant'], pass: ['X-HTTP-Method-Override'] },
    bodies: { '/api/auth/stripe/webhook': 1_048_576 },
    rateLimits: { '/api/auth/sign-in/email': { requests: 20, window: 10, failures: { perAddress: 3, inAll: 20 } } },
    session: { expiresIn: 86_400, perUser: 5 },
    principalHeaders: ['name', 'plan', { field: 'motto', clientMaySet: true }],
    auth: {
      appName: 'House',
      disabledPaths: ['/update-user'],
      emailAndPassword: { minPasswordLength: 12, requireEmailVerification: true },
      emailVerification: { sendOnSignUp: true },
      socialProviders: {
        google: { clientId: 'google-id', clientSecret: 'google-secret', prompt: 'select_account' },
        github: {
          clientId: 'abc', clientSecret: 'github-secret', redirectURI: 'https://example.com/api/auth/callback/github'
        }
      },
      user: {
        additionalFields: {
          plan: { type: 'string', input: false, defaultValue: 'free' },
          motto: { type: 'string', required: false },
          since: { type: 'date', input: false, defaultValue: new Date('2030-01-02T03:04:05Z') },
          snake_field: { type: ['small', 'large'], fieldName: 'shirt_size' }
        }
      },
      advanced: { database: { generateId: 'uuid' } }
    }
  }`
  const folder = t.testdir({ 'gatehouse.config.ts': typescript, 'github-secret': 'github-secret\n' })
  const env = {
    REPORTS_TOKEN: 'token-of-reports',
    GOOGLE_CLIENT_ID: 'google-id',
    GOOGLE_CLIENT_SECRET: 'google-secret',
    GITHUB_SECRET_FILE: 'github-secret'
  }
  const expected = await loadPolicy({ path: join(folder, 'gatehouse.config.ts'), named: true })
  const path = join(folder, 'gatehouse.toml')
  const of = async (text: string | Uint8Array) => {
    await writeFile(path, text)
    return loadPolicy({ path, named: true }, () => [], { env, cwd: folder })
  }
  t.strictSame(await of(toml), expected)
  t.strictSame(await of(toml.replaceAll('\n', '\r\n')), expected, 'with the line ends of Windows')
  t.strictSame(await of(`\uFEFF${toml}`), expected, 'with a byte order mark')
  const pyproject = join(folder, 'pyproject.toml')
  await writeFile(
    pyproject,
    `[project]\nname = "app"\n\n[tool.gatehouse]\n${toml.replaceAll(/^(\[+)(?!\[)/gm, '$1tool.gatehouse.').replace(/^#.*\n/, '')}`
  )
  t.strictSame(
    await loadPolicy({ path: pyproject, named: false }, () => [], { env, cwd: folder }),
    expected,
    'in pyproject.toml'
  )
})

t.test('every problem is told at once, with its line and in the spelling of the file', async (t) => {
  isEach(
    t,
    await problemsOf(
      t,
      `rout = 1

[[routes]]
path = "/a/:x"
access = "open"

[[routes]]
path = "/b"
access = "session"
fresh_within = "5m"

[[routes]]
path = "/c"
access = "session"
keep_opn = true

[brand]
colour = "red"

[session]
per_user = 0

[auth.email_and_password]
min_password_length = "12"
requireEmailVerificaton = true
disable_sign_up = true
send_reset_password = "mail"

[auth]
base_url = "https://canary.example"
plugins = ["admin", "two-factor", "phone-number", "nonsense"]

[headers]
drop = "X-A"

[rate_limits."/api/auth/sign-in/email"]
requests = 1_000_000
window = 1
`
    ),
    [
      /^1: rout: is not known in this version$/,
      /^5: routes\[0\]\.access: must be public, optional, session or deny$/,
      /^10: routes\[1\]\.fresh_within: must be a number of seconds$/,
      /^15: routes\[2\]\.keep_opn: is not known in this version$/,
      /^18: brand\.colour: is not known$/,
      /^21: session\.per_user: must be a whole number/,
      /^24: auth\.email_and_password\.min_password_length: must be a whole number$/,
      /^25: auth\.email_and_password\.requireEmailVerificaton: is not known in this version$/,
      /^26: auth\.email_and_password\.disable_sign_up: comes from PUBLIC_SIGN_UP$/,
      /^27: auth\.email_and_password\.send_reset_password: needs code.*gatehouse\.config\.ts$/,
      /^30: auth\.base_url: comes from BETTER_AUTH_URL/,
      /^31: auth\.plugins\.phone-number: is switched on by code.*gatehouse\.config\.ts$/,
      /^31: auth\.plugins\.nonsense: is not known in this version$/,
      /^34: headers\.drop: must be a list of header names$/,
      /^36: rate_limits\["\/api\/auth\/sign-in\/email"\]/
    ]
  )
})

t.test('what rules say together has the line of a rule', async (t) => {
  isEach(
    t,
    await problemsOf(
      t,
      `[[routes]]
path = "/ok"
access = "public"
[[routes]]
path = "/a/:x"
access = "public"
[[routes]]
path = "/a/:y"
access = "session"
roles = ["admin"]
[[routes]]
path = "/api/auth/x"
access = "public"
[[routes]]
path = "/f/*"
access = "public"
upstream = "site"
`
    ),
    [
      /^4: routes: "\/a\/:x" and "\/a\/:y" say different things/,
      /^10: routes\[2\]\.roles needs BetterAuth's admin plugin/,
      /^11: routes: "\/api\/auth\/x" is under/,
      /^17: routes\[4\]\.upstream: "site" is not among the upstreams$/
    ]
  )
})

t.test('a secret is never in the file, and never in a problem', async (t) => {
  const canary = 'CANARY_9F8E7D6C'
  const text = `[upstreams.search]
url = "http://127.0.0.1:7700"
token = "${canary}"

[auth.social_providers.github]
client_id = "abc"
client_secret = "${canary}"

[auth.social_providers.google]
client_id_env = "NOT_SET"
client_secret_env = "${canary}"

[auth.social_providers.discord]
client_id = "abc"
client_secret_env = "not a name ${canary}"

[auth.social_providers.slack]
client_id = "abc"
client_secret_env = "BETTER_AUTH_SECRET"

[auth.social_providers.figma]
client_id = "abc"
client_id_env = "FIGMA"
client_secret_env = "FIGMA"

[mail]
url = "smtps://user:${canary}@mail.example.com"
from = "accounts@example.com"
`
  const problems = await problemsOf(t, text, {
    BETTER_AUTH_SECRET: canary.repeat(3),
    FIGMA: canary,
    FIGMA_FILE: '/canary'
  })
  isEach(t, problems, [
    /^3: upstreams\.search\.token: is a secret, .* token_env = "…"$/,
    /^7: auth\.social_providers\.github\.client_secret: is a secret, .* client_secret_env = "…"$/,
    /^10: auth\.social_providers\.google\.client_id_env: the variable that it names is not set$/,
    /^11: auth\.social_providers\.google\.client_secret_env: the variable that it names is not set$/,
    /^15: auth\.social_providers\.discord\.client_secret_env: must be the name of an environment variable/,
    /^19: auth\.social_providers\.slack\.client_secret_env: must not be one of the gateway's own secrets/,
    /^23: auth\.social_providers\.figma\.client_id_env: is also given as client_id; keep one$/,
    /^24: auth\.social_providers\.figma\.client_secret_env: the variable is set, and so is the one with _FILE/,
    /^27: mail\.url: has a password, .* url_env = "…"$/
  ])
  t.notMatch(problems.join('\n'), new RegExp(canary, 'i'))
})

t.test('both spellings of one key are one too many, and names of the operator’s own are never respelled', async (t) => {
  isEach(
    t,
    await problemsOf(
      t,
      `principal_headers = []
principalHeaders = []
[[routes]]
path = "/a"
access = "session"
keepOpen = true
keep_open = true
[auth.plugins.two-factor]
[auth.plugins.twoFactor]
`
    ),
    [
      /^2: principalHeaders: is also given as principal_headers; keep one$/,
      /^7: routes\[0\]\.keep_open: is also given as keepOpen; keep one$/,
      /^9: auth\.plugins\.twoFactor: is also given as two-factor; keep one$/
    ]
  )
  const { upstreams, auth } = await load(
    t,
    `[upstreams]
blue_search = "http://127.0.0.1:1"
blueSearch = "http://127.0.0.1:2"
[auth.session.additional_fields]
device_name = { type = "string", input = false }
`
  )
  t.same(Object.keys(upstreams), ['blue_search', 'blueSearch'])
  t.same(Object.keys(auth.session?.additionalFields ?? {}), ['device_name'])
})

t.test('what clients may set is told to FastAPI as a claim alone, as in TypeScript', async (t) => {
  const fields = (input: string) =>
    `principal_headers = ["plan"]\n[auth.user.additional_fields.plan]\ntype = "string"\n${input}`
  isEach(t, await problemsOf(t, fields('')), [/^1: principal_headers\[0\]: clients can set "plan".*input: false/])
  isEach(t, await problemsOf(t, fields('input = true')), [/^1: principal_headers\[0\]: clients can set "plan"/])
  t.same(await problemsOf(t, fields('input = false')), [])
})

const syntax: readonly (readonly [name: string, text: string | Uint8Array, problem: RegExp])[] = [
  ['a list that is not closed', 'a = [1,\n', /^\d: is not TOML/],
  ['a value without quotes', '[brand]\nname = canary\n', /^2: is not TOML/],
  [
    'a mistake, with the line ends of Windows',
    '[pages]\r\n\r\n[brand]\r\nname = ""\r\n',
    /^4: brand\.name: must be text/
  ],
  ['a key that is there twice', '[brand]\nname = "a"\nname = "canary"\n', /^3: is not TOML/],
  ['a table that is there twice', '[brand]\n[pages]\n[brand]\n', /^3: is not TOML/],
  ['bytes that are not UTF-8', Buffer.from('[brand]\nname = "caf\xe9"\n', 'latin1'), /^1: is not UTF-8$/],
  ['a NUL', '[brand]\nname = "a\0"\n', /^2: is not TOML/],
  ['a number of 300 digits', `[session]\nidle = ${'9'.repeat(300)}\n`, /^2: session\.idle: is too large a number$/],
  ['a number past what is exact', '[session]\nidle = 9007199254740993\n', /^2: session\.idle: is too large a number$/],
  ['infinity', '[session]\nidle = inf\n', /^2: session\.idle: must be a number$/],
  [
    'no number',
    '[[routes]]\npath = "/a"\naccess = "session"\nfresh_within = nan\n',
    /^4: routes\[0\]\.fresh_within: must be a number$/
  ],
  ['a date for a text', '[brand]\nname = 1979-05-27T07:32:00Z\n', /^2: brand\.name: must not be a date$/],
  ['a date for a section', 'brand = 1979-05-27T07:32:00Z\n', /^1: brand: must not be a date$/],
  [
    'a date without an offset',
    '[auth.user.additional_fields.x]\ntype = "date"\ndefault_value = 1979-05-27\n',
    /^3: auth\.user\.additional_fields\.x\.default_value: must say its offset/
  ],
  ['a section that is a list', 'brand = []\n', /^1: brand: must be an object$/],
  ['auth that is a text', 'auth = "x"\n', /^1: auth: must be an object$/],
  [
    '__proto__',
    '[upstreams]\n__proto__ = "http://127.0.0.1:1"\n',
    /^2: upstreams\.__proto__: is no name that can be used$/
  ],
  ['a table __proto__', '[__proto__]\nroutes = []\n', /^1: __proto__: is no name that can be used$/],
  ['constructor', '[constructor]\nname = "x"\n', /^1: constructor: is not known in this version$/],
  [
    'a field called constructor',
    '[auth.user.additional_fields.constructor]\ntype = "string"\n',
    /^1: auth\.user\.additional_fields\.constructor: must be named with/
  ],
  [
    'a plugin called constructor',
    '[auth]\nplugins = ["constructor"]\n',
    /^2: auth\.plugins\.constructor: is not known in this version$/
  ],
  ['two megabytes', `# ${'x'.repeat(2_097_152)}\n`, /^1: is longer than 1048576 bytes$/],
  ['a hundred thousand brackets', `a = ${'['.repeat(100_000)}`, /^1: (cannot be read|is not TOML)/]
]

for (const [name, text, problem] of syntax) {
  t.test(`a file with ${name} is one problem, which repeats nothing`, async (t) => {
    const since = performance.now()
    const problems = await problemsOf(t, text)
    t.ok(performance.now() - since < 5_000, 'it is told soon')
    isEach(t, problems, [problem])
    t.notMatch(problems.join(), /canary/)
  })
}

t.test('a file that cannot be read is a problem', async (t) => {
  const path = t.testdir()
  t.same(await problemsFrom(loadPolicy({ path: join(path, '..', 'x.toml'), named: true })), [
    'GATEHOUSE_CONFIG: the policy file that it names does not exist or cannot be read'
  ])
  const folder = join(t.testdir({ 'gatehouse.toml': {} }), 'gatehouse.toml')
  t.same(await problemsFrom(loadPolicy({ path: folder, named: true })), [`${folder}: cannot be read (EISDIR)`])
})

t.test('as many rules as a file may hold are read in seconds', async (t) => {
  const rules = Array.from({ length: 5_000 }, (_, i) => `[[routes]]\npath = "/r${i}"\naccess = "public"\n`).join('\n')
  const since = performance.now()
  t.equal((await load(t, rules)).routes.length, 5_000)
  t.ok(performance.now() - since < 20_000)
})

t.test('plugins are switched on by their names, with plain options', async (t) => {
  const all = [
    'admin',
    'anonymous',
    'bearer',
    'email-otp',
    'have-i-been-pwned',
    'jwt',
    'last-login-method',
    'magic-link',
    'multi-session',
    'one-tap',
    'one-time-token',
    'open-api',
    'organization',
    'two-factor',
    'username'
  ]
  const mail = '[mail]\nhost = "127.0.0.1"\nfrom = "accounts@example.com"\n'
  const { auth } = await load(t, `${mail}[auth]\nplugins = ${JSON.stringify(all)}\n`)
  t.same(
    (auth.plugins ?? []).map(({ id }) => id).sort(),
    [...all.filter((name) => name !== 'have-i-been-pwned'), 'have-i-been-pwned'].sort()
  )
  const options = await load(
    t,
    `[auth.plugins.username]
min_username_length = 5
[auth.plugins.captcha]
provider = "hcaptcha"
secret_key_env = "CAPTCHA"
[auth.plugins.deviceAuthorization]
verification_uri = "/device"
[[auth.plugins.generic_oauth.config]]
provider_id = "keycloak"
discovery_url = "https://login.example.com/.well-known/openid-configuration"
client_id = "app"
client_secret_env = "KEYCLOAK"
scopes = ["openid"]
`,
    { CAPTCHA: 'captcha-secret', KEYCLOAK: 'keycloak-secret' }
  )
  t.match(
    (options.auth.plugins ?? []).map(({ id, options }) => [id, options]),
    [
      ['username', { minUsernameLength: 5 }],
      ['captcha', { provider: 'hcaptcha', secretKey: 'captcha-secret' }],
      ['device-authorization', {}],
      ['generic-oauth', {}]
    ]
  )
})

t.test('what is wrong with a plugin is told with its line, and what else needs the plugin is not', async (t) => {
  isEach(
    t,
    await problemsOf(
      t,
      `[[routes]]
path = "/admin/*"
access = "session"
roles = ["admin"]
[auth.plugins.admin]
default_rol = "x"
[auth.plugins.username]
min_username_length = "five"
username_validator = "x"
[auth.plugins.captcha]
provider = "hcaptcha"
secret_key = "canary"
`
    ),
    [
      /^6: auth\.plugins\.admin\.default_rol: is not known in this version$/,
      /^8: auth\.plugins\.username\.min_username_length: must be a whole number$/,
      /^9: auth\.plugins\.username\.username_validator: needs code/,
      /^12: auth\.plugins\.captcha\.secret_key: is a secret/
    ]
  )
  isEach(t, await problemsOf(t, '[auth.plugins.admin]\nadmin_roles = ["canary"]\n'), [
    /^1: auth\.plugins\.admin: BetterAuth does not accept these options$/
  ])
})

t.test('a plugin that mails needs a server that takes mails', async (t) => {
  for (const plugin of ['magic-link', 'email-otp'])
    isEach(t, await problemsOf(t, `[auth]\nplugins = ["${plugin}"]\n`), [
      new RegExp(`mail: is missing, and the plugin ${plugin}`)
    ])
  t.same(await problemsOf(t, '[auth]\nplugins = ["two-factor"]\n'), [], 'an authenticator needs no mail')
  isEach(t, await problemsOf(t, '[auth.plugins.two-factor.otp_options]\nperiod = 5\n'), [
    /mail: is missing, and the plugin two-factor/
  ])
})

t.test('`check` signs in at the server that takes mails', async (t) => {
  const smtp = await startSmtp(t, { user: 'house' })
  const mail = `[mail]\nhost = "127.0.0.1"\nport = ${smtp.port}\nuser = "house"\npassword_env = "PASSWORD"\nfrom = "a@example.com"\n`
  const cwd = t.testdir({ 'gatehouse.toml': mail })
  const check = async (password: string) =>
    (
      await gatehouse(['check'], cwd, {
        DATA_DIR: join(cwd, 'data'),
        UPSTREAM_URL: 'http://127.0.0.1:1',
        PASSWORD: password
      })
    ).stdout
  t.match(await check('open sesame'), /^ok {4}mail: the server takes mails$/m)
  const refused = await check('canary')
  t.match(refused, /^FAIL {2}mail: the server cannot be used \(EAUTH\)$/m)
  t.notMatch(refused, /canary/)
  t.same(smtp.mails, [])
})

t.test('a policy without TOML and mails loads neither a parser nor a mailer', async (t) => {
  const cwd = t.testdir({
    'gatehouse.config.mjs': 'export default {}',
    'hook.mjs': `import { registerHooks } from 'node:module'
      registerHooks({ load(url, context, next) { process.stderr.write('loaded ' + url + '\\n'); return next(url, context) } })`
  })
  const { stderr, status } = await gatehouse(['routes'], cwd, { NODE_OPTIONS: `--import ${join(cwd, 'hook.mjs')}` })
  t.equal(status, 0)
  t.match(stderr, /^loaded .*policy-shape\.ts$/m)
  t.notMatch(stderr, /toml-(?:eslint|document|schema|plugins)|\/nodemailer\//)
})

t.test('the commands read it', async (t) => {
  const cwd = t.testdir({
    'pyproject.toml': '[tool.gatehouse]\n[[tool.gatehouse.routes]]\npath = "/docs/*"\naccess = "public"\n'
  })
  const routes = await gatehouse(['routes'], cwd)
  t.equal(routes.status, 0, routes.stderr)
  t.match(routes.stdout, /^public {3}any {2}\/docs\/\*/m)
  t.match((await gatehouse(['explain', 'GET', '/docs/x'], cwd)).stdout, /^access {2}public$/m)
  const wrong = t.testdir({ 'gatehouse.toml': '[[routes]]\npath = "/x"\naccess = "canary"\n' })
  const { status, stdout, stderr } = await gatehouse(['check'], wrong, { PORT: 'canary' })
  t.equal(status, 2)
  t.equal(stdout, '')
  t.match(stderr, /^PORT: [^\n]*\n[^\n]*gatehouse\.toml:3: routes\[0\]\.access: must be public[^\n]*\n$/)
  t.notMatch(stderr, /canary/)
  const named = await gatehouse(['routes'], t.testdir({ 'pyproject.toml': '[project]\n' }), {
    GATEHOUSE_CONFIG: 'pyproject.toml'
  })
  t.equal(named.status, 2)
  t.match(named.stderr, /pyproject\.toml:1: has no \[tool\.gatehouse\]/)
})
