import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { isRecord } from '../../db/type-guards.ts'
import { spellingsOf } from '../../src/config/toml-schema.ts'
import { loadPolicy } from '../../src/policy-file.ts'
import { problemsFrom } from '../src/problems.ts'

// The names in these are the operator's own, and stay as they are.
const maps = new Set(['upstreams', 'bodies', 'rateLimits', 'additionalFields'])

/** Writes a value as TOML, every option in one of its spellings, as `pick` has it. */
function toToml(value: unknown, pick: () => number, isMap = false): string {
  if (Array.isArray(value)) return `[${value.map((item) => toToml(item, pick)).join(', ')}]`
  // As JSON writes it, but for the one character that only JSON takes as it is.
  if (!isRecord(value)) return JSON.stringify(value).replaceAll('\u007f', '\\u007f')
  const entries = Object.entries(value).map(([key, inner]) => {
    const spellings = isMap ? [key] : spellingsOf(key)
    const name = spellings[pick() % spellings.length] ?? key
    return `${/^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)} = ${toToml(inner, pick, maps.has(key))}`
  })
  return `{ ${entries.join(', ')} }`
}

function documentOf(policy: Record<string, unknown>, pick: () => number): string {
  return Object.entries(policy)
    .map(([key, value]) => {
      const spellings = spellingsOf(key)
      return `${spellings[pick() % spellings.length]} = ${toToml(value, pick, maps.has(key))}\n`
    })
    .join('')
}

// So often that most policies can be used: one mistake is enough for one that cannot.
const good = <T>(values: readonly T[]): T[] => Array.from({ length: 24 }, () => values).flat()

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/)
const name = fc.oneof(
  word,
  fc.stringMatching(/^[a-z]{1,5}_[a-z]{1,5}$/),
  fc.stringMatching(/^[a-z]{1,5}[A-Z][a-z]{1,5}$/)
)
const words = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => text.trim() !== '' && text.isWellFormed())
const may = { requiredKeys: [] }
const rule = fc.record(
  {
    path: fc.array(word, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`),
    access: fc.constantFrom(...good(['public', 'optional', 'session', 'deny']), 'open'),
    methods: fc.subarray(['GET', 'POST', 'PUT'], { minLength: 1 }),
    verified: fc.constantFrom(...good([true]), false),
    freshWithin: fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: 1, max: 1_000 }) },
      fc.constant('5m'),
      fc.constant(-1)
    ),
    keepOpen: fc.boolean(),
    encodedSlashes: fc.boolean()
  },
  { requiredKeys: ['path', 'access'] }
)
const field = fc.record(
  {
    type: fc.constantFrom(...good(['string', 'number', 'boolean']), 'money'),
    input: fc.boolean(),
    required: fc.boolean(),
    defaultValue: fc.oneof(words, fc.integer(), fc.boolean()),
    fieldName: name
  },
  { requiredKeys: ['type'] }
)
const policy = fc.record(
  {
    routes: fc.array(rule, { maxLength: 4 }),
    upstreams: fc.dictionary(
      name,
      fc.oneof(
        fc.constant('http://127.0.0.1:7700'),
        fc.record(
          { url: fc.constant('http://127.0.0.1:1'), timeout: fc.integer({ min: 0, max: 100 }) },
          { requiredKeys: ['url'] }
        )
      ),
      { maxKeys: 3 }
    ),
    brand: fc.record({ name: words, accent: fc.constantFrom(...good(['#204080']), 'blue') }, may),
    headers: fc.record(
      { drop: fc.array(fc.constantFrom(...good(['X-A', 'X-B']), 'not a name'), { maxLength: 3 }) },
      may
    ),
    bodies: fc.dictionary(
      fc.constantFrom(...good(['/api/auth/a', '/api/auth/b/*']), '/other'),
      fc.integer({ min: 1, max: 1_000 })
    ),
    rateLimits: fc.dictionary(
      fc.constantFrom('/api/auth/a', '/api/auth/b/*'),
      fc.record({ requests: fc.integer({ min: 1, max: 50 }), window: fc.integer({ min: 10, max: 50 }) })
    ),
    session: fc.record(
      { expiresIn: fc.integer({ min: 60, max: 90_000 }), perUser: fc.integer({ min: 1, max: 9 }) },
      may
    ),
    principalHeaders: fc.array(fc.constantFrom(...good(['name', 'sessionId']), 'role', 'plan'), { maxLength: 2 }),
    auth: fc.record(
      {
        appName: words,
        disabledPaths: fc.array(fc.constantFrom('/update-user', '/sign-up/email'), { maxLength: 2 }),
        emailAndPassword: fc.record(
          {
            enabled: fc.boolean(),
            minPasswordLength: fc.integer({ min: 1, max: 20 }),
            requireEmailVerification: fc.boolean()
          },
          may
        ),
        user: fc.record({ additionalFields: fc.dictionary(name, field, { maxKeys: 3 }) }, may),
        session: fc.record({ freshAge: fc.integer({ min: 0, max: 100 }) }, may)
      },
      may
    )
  },
  may
)

t.test(
  'a policy means the same in TOML, however it is spelled, and in TypeScript, and is refused in both for the same',
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-policies-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    let files = 0
    let usable = 0
    await fc.assert(
      fc.asyncProperty(policy, fc.infiniteStream(fc.nat({ max: 5 })), async (given, picks) => {
        files += 1
        const typescript = { path: join(folder, `${files}.mjs`), named: true }
        const toml = { path: join(folder, `${files}.toml`), named: true }
        await writeFile(typescript.path, `export default ${JSON.stringify(given)}\n`)
        await writeFile(
          toml.path,
          documentOf(given, () => picks.next().value ?? 0)
        )
        const counts = await Promise.all([typescript, toml].map((file) => problemsFrom(loadPolicy(file))))
        const [ofTypescript = [], ofToml = []] = counts
        if (ofTypescript.length === 0 && ofToml.length === 0) {
          usable += 1
          const [one, other] = await Promise.all([loadPolicy(typescript), loadPolicy(toml)])
          return t.strictSame(other, one)
        }
        // Places have the spelling of the file, and what is wrong with them is said in the same words.
        const sayings = (problems: readonly string[], path: string) =>
          problems
            .map((problem) =>
              problem
                .replace(path, '')
                .replace(/^:\d+/, '')
                .replace(/^: [^:]*/, '')
            )
            .sort()
        return t.same(
          sayings(ofToml, toml.path),
          sayings(ofTypescript, typescript.path),
          [...ofTypescript, ...ofToml].join('\n')
        )
      }),
      { numRuns: 300 }
    )
    t.ok(usable >= 50, `${usable} of ${files} could be used`)
  }
)

const whole = `principal_headers = ["plan", { field = "motto", client_may_set = true }]
[[routes]]
path = "/a"
access = "session"
roles = ["admin"]
[upstreams]
search = { url = "http://127.0.0.1:1", token_env = "TOKEN" }
[auth.plugins]
admin = { default_role = "user" }
[auth.social_providers.github]
client_id = "abc"
client_secret_env = "SECRET"
[auth.user.additional_fields]
plan = { type = "date", input = false, default_value = 2030-01-02T03:04:05Z }
motto = { type = "string" }
[mail]
url_env = "SMTP"
from = "House <accounts@example.com>"
templates.reset.text = """
{url}
"""
`
const env = { TOKEN: 'canary-token', SECRET: 'canary-secret', SMTP: 'smtp://user:canary-password@127.0.0.1:1' }

t.test(
  'whatever becomes of a file, it is read, or every problem of it is told with a line and without a secret',
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-policies-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    const file = { path: join(folder, 'gatehouse.toml'), named: true }
    const load = () => loadPolicy(file, () => [], { env, cwd: folder })
    await writeFile(file.path, whole)
    t.equal((await load()).auth.plugins?.length, 1)
    const piece = fc.oneof(
      fc.constantFrom(
        '[',
        ']',
        '{',
        '}',
        '=',
        '"',
        "'",
        '\n',
        '.',
        ',',
        '#',
        '\0',
        '\uFEFF',
        '[[',
        '"""',
        '__proto__',
        'constructor',
        '1e999',
        'true',
        '_env'
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.nat({ max: whole.length }).map((at) => whole.slice(at, at + 40))
    )
    const change = fc.record({ at: fc.nat({ max: whole.length }), removed: fc.nat({ max: 12 }), piece })
    let refused = 0
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        let text = whole
        for (const { at, removed, piece } of changes) text = text.slice(0, at) + piece + text.slice(at + removed)
        await writeFile(file.path, text)
        // Whatever else it throws fails the test.
        const problems = await problemsFrom(load())
        if (problems.length > 0) refused += 1
        const lines = text.split('\n').length
        for (const problem of problems) {
          const line = Number(new RegExp(`^${file.path}:(\\d+): `).exec(problem)?.[1])
          if (!(line >= 1 && line <= lines) || /canary/.test(problem)) throw new Error(problem)
        }
      }),
      { numRuns: 400 }
    )
    t.ok(refused > 200, `${refused} were refused`)
  }
)
