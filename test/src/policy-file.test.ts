import { join } from 'node:path'
import t from 'tap'
import { loadSettings } from '../../src/config/load-settings.ts'
import { defineConfig, loadPolicy } from '../../src/policy-file.ts'
import { isEach, problemsFrom } from './problems.ts'

const named = (path: string) => ({ path, named: true })

t.test('a policy file says who may reach what', async (t) => {
  const dir = t.testdir({
    'policy.ts': `const access: 'public' | 'deny' = 'public'
      export default {
        routes: [{ path: '/docs', access }, { path: '/users/:id', access: 'optional', methods: ['GET'] }],
        auth: { appName: 'House' },
        brand: { name: 'House', logo: 'logo.svg', accent: { light: '#204080', dark: '#80a0ff' } }
      }`,
    'logo.svg': '<svg/>'
  })
  t.same(await loadPolicy(named(join(dir, 'policy.ts'))), {
    routes: [
      { path: '/docs', access: 'public' },
      { path: '/users/:id', access: 'optional', methods: ['GET'] }
    ],
    auth: { appName: 'House' },
    brand: { name: 'House', logo: join(dir, 'logo.svg'), accent: { light: '#204080', dark: '#80a0ff' } },
    pages: { path: '/auth' },
    upstreams: {},
    principalHeaders: [],
    headers: { drop: [], pass: [] },
    bodies: {},
    rateLimits: {},
    session: {}
  })
})

t.test('everything that is wrong with a brand is said at once', async (t) => {
  const dir = t.testdir({
    'policy.ts': `export default {
      brand: { name: '', logo: 'none.svg', accent: { light: 'blue', dim: '#000000' }, colour: 'red' }
    }`
  })
  const path = join(dir, 'policy.ts')
  t.same(await problemsFrom(loadPolicy(named(path))), [
    `${path}: brand.name: must be text of 1 to 60 characters`,
    `${path}: brand.logo: the file does not exist`,
    `${path}: brand.accent.dim: is not known`,
    `${path}: brand.accent.light: must be a colour such as #2457d6`,
    `${path}: brand.accent.dark: must be a colour such as #2457d6`,
    `${path}: brand.colour: is not known`
  ])
})

t.test('the policy file of this repository can be used', async (t) => {
  const { routes } = await loadPolicy(named(join(import.meta.dirname, '../../gatehouse.config.ts')))
  t.ok(routes.some(({ path, access }) => path === '/internal/*' && access === 'deny'))
})

t.test('what defineConfig is not given is empty', async (t) => {
  t.same(defineConfig({}), {
    routes: [],
    auth: {},
    brand: {},
    pages: { path: '/auth' },
    upstreams: {},
    principalHeaders: [],
    headers: { drop: [], pass: [] },
    bodies: {},
    rateLimits: {},
    session: {}
  })
})

t.test('without a policy file nothing is open', async (t) => {
  t.same(await loadPolicy({ path: join(t.testdir(), 'gatehouse.config.ts'), named: false }), {
    routes: [],
    auth: {},
    brand: {},
    pages: { path: '/auth' },
    upstreams: {},
    principalHeaders: [],
    headers: { drop: [], pass: [] },
    bodies: {},
    rateLimits: {},
    session: {}
  })
})

t.test('a policy file that is named has to exist', async (t) => {
  isEach(t, await problemsFrom(loadPolicy(named(join(t.testdir(), 'policy.ts')))), [
    /^GATEHOUSE_CONFIG: .*does not exist/
  ])
})

const bad: readonly (readonly [name: string, source: string, ...problems: RegExp[]])[] = [
  ['without a default export', 'export const routes = []', /must have export default defineConfig/],
  ['that exports a function', 'export default () => ({})', /must have export default defineConfig/],
  ['with an unknown key', 'export default { routs: [] }', /routs: is not known in this version/],
  ['whose routes are no list', 'export default { routes: {} }', /routes: must be a list of rules/],
  ['with a rule that is no object', "export default { routes: ['/x'] }", /routes\[0\]: must be an object/],
  [
    'with several bad rules',
    `export default { routes: [
      { path: '/a', access: 'everybody' },
      { path: 7, access: 'public' },
      { path: '/c', access: 'public', methods: ['get'] },
      { path: '/d', access: 'public', methods: [] },
      { path: '/e', access: 'public', method: 'GET' },
      { path: '/f', access: 'session', role: ['admin'] }
    ] }`,
    /routes\[0\]\.access: must be public, optional, session or deny/,
    /routes\[1\]\.path: must be text/,
    /routes\[2\]\.methods\[0\]: must be one of GET, .*in capitals/,
    /routes\[3\]\.methods: must name a method/,
    /routes\[4\]\.method: is not known/,
    /routes\[5\]\.role: is not known in this version/
  ],
  [
    'with bad rules and a bad auth',
    "export default { routes: [{ path: '/a' }], auth: { secret: 'canary' } }",
    /routes\[0\]\.access: must be/,
    /auth\.secret: comes from BETTER_AUTH_SECRET/
  ],
  ['whose auth is no object', 'export default { auth: [] }', /auth: must be an object/],
  ['that throws', "throw new RangeError('no mailer\\n    at secret.ts')", /cannot be imported: RangeError: no mailer$/],
  ['that imports what is not there', "import './none.ts'", /cannot be imported: .*none\.ts/],
  ['with a syntax error', 'export default {', /cannot be imported: SyntaxError/]
]

for (const [index, [name, source, ...expected]] of bad.entries()) {
  t.test(`a policy file ${name} is refused with every reason`, async (t) => {
    const file = join(t.testdir({ [`policy-${index}.ts`]: source }), `policy-${index}.ts`)
    const problems = await problemsFrom(loadPolicy(named(file)))
    isEach(t, problems, expected)
    for (const problem of problems) {
      t.ok(problem.startsWith(`${file}:`))
      t.notMatch(problem, /canary|\n/)
    }
  })
}

t.test('a problem in one section hides none that lies in or between the others', async (t) => {
  const dir = t.testdir({
    'policy.ts': `export default {
      routes: [
        { path: '/a/:x', access: 'public', upstream: 'site' },
        { path: '/a/:y', access: 'session', roles: ['admin'] },
        { path: '/(b)', access: 'public' }
      ],
      brand: { colour: 'red' },
      headers: ['x-a'],
      bodies: [1]
    }`
  })
  isEach(t, await problemsFrom(loadSettings({ PORT: 'x', GATEHOUSE_CONFIG: 'policy.ts' }, dir)), [
    /^PORT: must be/,
    /policy\.ts: brand\.colour: is not known$/,
    /policy\.ts: headers: must be an object with drop, pass or both$/,
    /policy\.ts: bodies: must be an object of paths/,
    /policy\.ts: routes\[0\]\.upstream: "site" is not among the upstreams$/,
    /policy\.ts: routes\[1\]\.roles needs BetterAuth's admin plugin/,
    /^routes: "\/a\/:x" and "\/a\/:y" say different things/,
    /^routes: "\/\(b\)" /
  ])
})

t.test('a rule can ask for more than a session, and FastAPI can be told more', async (t) => {
  const dir = t.testdir({
    'policy.ts': `export default {
      routes: [{ path: '/x', access: 'session', roles: ['admin'], verified: true, freshWithin: 300, keepOpen: true }],
      auth: { plugins: [{ id: 'admin', schema: { user: { fields: { role: { type: 'string' } } } } }] },
      principalHeaders: ['name', 'role']
    }`
  })
  t.match(await loadPolicy(named(join(dir, 'policy.ts'))), {
    routes: [{ path: '/x', access: 'session', roles: ['admin'], verified: true, freshWithin: 300, keepOpen: true }],
    principalHeaders: ['name', 'role'],
    headers: { drop: [], pass: [] }
  })
})

t.test('what asks for roles needs the admin plugin, and says so', async (t) => {
  const dir = t.testdir({
    'policy.ts': `export default {
      routes: [{ path: '/x', access: 'session', roles: ['admin'] }, { path: '/y', access: 'session', verified: true }],
      principalHeaders: ['name', 'role', 'sessionId', 'impersonatedBy']
    }`
  })
  const path = join(dir, 'policy.ts')
  t.same(
    await problemsFrom(loadPolicy(named(path))),
    ['routes[0].roles', 'principalHeaders: "role"', 'principalHeaders: "impersonatedBy"'].map(
      (place) => `${path}: ${place} needs BetterAuth's admin plugin: add admin() to auth.plugins`
    )
  )
})

t.test('demands that make no sense are refused', async (t) => {
  const rule = (more: string) => `{ path: '/x', access: 'session', ${more} }`
  const dir = t.testdir({
    'policy.ts': `export default {
      routes: [${['roles: []', "roles: ['a,b']", 'verified: false', 'freshWithin: 0', "freshWithin: '5m'", 'keepOpen: 1', "encodedSlashes: 'yes'"].map(rule)}],
      principalHeaders: ['password']
    }`
  })
  isEach(t, await problemsFrom(loadPolicy(named(join(dir, 'policy.ts')))), [
    /routes\[0\]\.roles: must name a role/,
    /routes\[1\]\.roles\[0\]: must be one role/,
    /routes\[2\]\.verified: must be true/,
    /routes\[3\]\.freshWithin: must be above 0/,
    /routes\[4\]\.freshWithin: must be a number/,
    /routes\[5\]\.keepOpen: must be true or false/,
    /routes\[6\]\.encodedSlashes: must be true or false/,
    /principalHeaders\[0\]: must be one of name, role/
  ])
})

t.test('encoded slashes can pass to servers, and to no folder', async (t) => {
  const dir = t.testdir({
    site: {},
    'policy.ts': `export default {
      upstreams: { site: { directory: 'site' }, other: 'http://127.0.0.1:9' },
      routes: [
        { path: '/files/*', access: 'session', encodedSlashes: true },
        { path: '/other/*', access: 'session', encodedSlashes: true, upstream: 'other' },
        { path: '/site/*', access: 'public', encodedSlashes: true, upstream: 'site' },
        { path: '/plain/*', access: 'public', encodedSlashes: false, upstream: 'site' }
      ]
    }`
  })
  isEach(t, await problemsFrom(loadPolicy(named(join(dir, 'policy.ts')))), [
    /routes\[2\]\.encodedSlashes: "site" is a folder, whose paths have plain slashes/
  ])
})

t.test('more headers of clients can be dropped, and single ones of those that move something pass', async (t) => {
  const dir = t.testdir({
    'policy.ts': `export default {
      headers: { drop: ['Proxy', 'authorization', 'x-real-ip', 'baggage'], pass: ['X-HTTP-Method-Override', 'x-envoy-attempt-count'] }
    }`,
    'part.ts': "export default { headers: { drop: ['proxy'] } }"
  })
  const { headers } = await loadPolicy(named(join(dir, 'policy.ts')))
  t.same(headers, {
    drop: ['Proxy', 'authorization', 'x-real-ip', 'baggage'],
    pass: ['X-HTTP-Method-Override', 'x-envoy-attempt-count']
  })
  t.same((await loadPolicy(named(join(dir, 'part.ts')))).headers, { drop: ['proxy'], pass: [] })
  t.same(defineConfig({ headers: { pass: ['x-host'] } }).headers, { drop: [], pass: ['x-host'] })
})

t.test(
  'no header passes that speaks for the gateway, and none is dropped that HTTP or the gateway needs',
  async (t) => {
    const never = ['X-User-Id', 'x-user-agent', 'X-Session-Id', 'x-gatehouse-token', 'X-Forwarded-For', 'Forwarded']
    const needed = [
      'Host',
      'content-length',
      'Transfer-Encoding',
      'connection',
      'Upgrade',
      'cookie',
      'Sec-WebSocket-Key'
    ]
    const source = (drop: readonly string[], pass: readonly string[]) =>
      `export default { headers: ${JSON.stringify({ drop, pass })} }`
    const dir = t.testdir({
      'never.ts': source([], [...never, 'X-Request-Id']),
      'needed.ts': source(needed, []),
      'own.ts': source(never, []),
      'odd.ts': source(['remote-*', 'a_b', '', 'x-host'], ['remote-', 'x.real.ip']),
      'shapes.ts': "export default { headers: { drop: 'x-a', pass: [1], keep: [] } }",
      'list.ts': "export default { headers: ['x-a'] }"
    })
    const problems = (file: string) => problemsFrom(loadPolicy(named(join(dir, file))))
    isEach(t, await problems('never.ts'), [
      ...never.map((name, index) => new RegExp(`headers\\.pass\\[${index}\\]: "${name}" can never pass`)),
      /headers\.pass\[6\]: "X-Request-Id" can never pass/
    ])
    isEach(
      t,
      await problems('needed.ts'),
      needed.map((name, index) => new RegExp(`headers\\.drop\\[${index}\\]: "${name}" cannot be dropped`))
    )
    isEach(
      t,
      await problems('own.ts'),
      never.map((name) => new RegExp(`"${name}" cannot be dropped: clients' own never pass`))
    )
    isEach(t, await problems('odd.ts'), [
      /headers\.drop\[0\]: must be the whole name of one header/,
      /headers\.drop\[1\]: must be the whole name/,
      /headers\.drop\[2\]: must be the whole name/,
      /headers\.pass\[0\]: must be the whole name/,
      /headers\.pass\[1\]: must be the whole name/
    ])
    isEach(t, await problems('shapes.ts'), [
      /headers\.drop: must be a list of header names/,
      /headers\.pass\[0\]/,
      /headers\.keep: is not known in this version/
    ])
    isEach(t, await problems('list.ts'), [/headers: must be an object with drop, pass or both/])
  }
)

t.test('a header passes only if it would be dropped, and is not dropped and passed', async (t) => {
  const dir = t.testdir({
    'policy.ts': `export default { headers: { drop: ['x-host'], pass: ['X-Custom', 'X-Host', 'traceparent', 'TE'] } }`
  })
  isEach(t, await problemsFrom(loadPolicy(named(join(dir, 'policy.ts')))), [
    /headers\.pass\[0\]: "X-Custom" is not dropped: leave it out/,
    /headers\.pass\[1\]: "X-Host" is in drop as well/,
    /headers\.pass\[2\]: "traceparent" passes from TRUSTED_PROXIES alone/,
    /headers\.pass\[3\]: "TE" belongs to one connection/
  ])
})

t.test('a path of BetterAuth may be given larger bodies, and nothing but such a path', async (t) => {
  const dir = t.testdir({
    'good.ts': `export default { bodies: { '/api/auth/stripe/webhook': 1048576, '/api/auth/sso/saml2/callback/*': 9 } }`,
    'bad.ts': `export default { bodies: {
      '/files/upload': 1, '/api/auth': 1, '/api/auth/*': 1, '/api/auth/': 1, '/api/auth/x/': 1, '/api/auth/../x': 1,
      '/api/auth/x*': 1, '/api/auth/:id': 1, '/api/auth/a': 0, '/api/auth/b': 1.5, '/api/auth/c': '1MB', '/api/auth/d': 1e9
    } }`,
    'list.ts': 'export default { bodies: [1] }'
  })
  const { bodies } = await loadPolicy(named(join(dir, 'good.ts')))
  t.same(bodies, { '/api/auth/stripe/webhook': 1_048_576, '/api/auth/sso/saml2/callback/*': 9 })
  const noPath = (path: string) =>
    `${join(dir, 'bad.ts')}: bodies["${path}"]: must be a path below /api/auth, such as /api/auth/stripe/webhook or /api/auth/stripe/*; MAX_AUTH_BODY_BYTES is for all of them`
  const noNumber = (path: string) =>
    `${join(dir, 'bad.ts')}: bodies["${path}"]: must be a whole number of bytes from 1 to 104857600`
  t.same(await problemsFrom(loadPolicy(named(join(dir, 'bad.ts')))), [
    ...[
      '/files/upload',
      '/api/auth',
      '/api/auth/*',
      '/api/auth/',
      '/api/auth/x/',
      '/api/auth/../x',
      '/api/auth/x*',
      '/api/auth/:id'
    ].map(noPath),
    ...['/api/auth/a', '/api/auth/b', '/api/auth/c', '/api/auth/d'].map(noNumber)
  ])
  t.same(await problemsFrom(loadPolicy(named(join(dir, 'list.ts')))), [
    `${join(dir, 'list.ts')}: bodies: must be an object of paths below /api/auth and bytes`
  ])
})

t.test('the pages and BetterAuth can be moved, and what is theirs moves with them', async (t) => {
  const cwd = t.testdir({
    'gatehouse.config.ts': `export default {
      pages: { path: '/account' },
      auth: { basePath: '/identity' },
      bodies: { '/identity/stripe/webhook': 9 },
      routes: [{ path: '/auth/*', access: 'public' }, { path: '/api/auth/x', access: 'public' }]
    }`
  })
  const { policy } = await loadSettings({}, cwd)
  t.same(policy.pages, { path: '/account' })
  t.equal(policy.auth.basePath, '/identity')
})

t.test('nothing of the gateway’s own lies in the way of the rest of it', async (t) => {
  let files = 0
  const problems = (policy: string, env: Record<string, string> = {}) => {
    // Node imports a file once.
    const name = `policy-${files++}.ts`
    const cwd = t.testdir({ [name]: `export default ${policy}` })
    return problemsFrom(loadSettings({ ...env, GATEHOUSE_CONFIG: name }, cwd))
  }
  const moved = `pages: { path: '/account' }, auth: { basePath: '/identity' }`
  isEach(
    t,
    await problems(
      `{ ${moved}, routes: [{ path: '/account/x', access: 'public' }, { path: '/identity', access: 'public' }] }`
    ),
    [/"\/account\/x" is under "\/account"/, /"\/identity" is under "\/identity"/]
  )
  isEach(t, await problems(`{ ${moved}, bodies: { '/api/auth/x': 1 } }`), [/must be a path below \/identity/])
  for (const path of ['/api/auth', '/api/auth/pages', '/api'])
    isEach(t, await problems(`{ pages: { path: '${path}' } }`), [/^pages\.path: .*neither may lie under the other/])
  isEach(t, await problems(`{ auth: { basePath: '/auth/api' } }`), [/^pages\.path: .*neither may lie under the other/])
  t.same(await problems(`{ auth: { basePath: '/auth' } }`, { PAGES: 'false' }), [])
  for (const path of ['/account', '/account/up', '/identity/up'])
    isEach(t, await problems(`{ ${moved} }`, { PUBLIC_HEALTH_PATH: path }), [
      /^PUBLIC_HEALTH_PATH: must not lie under \/identity or \/account$/
    ])
  for (const path of ['/auth', '/api/auth/up'])
    isEach(t, await problems('{}', { PUBLIC_HEALTH_PATH: path }), [
      /^PUBLIC_HEALTH_PATH: must not lie under \/api\/auth or \/auth$/
    ])
  t.same(await problems(`{ ${moved} }`, { PUBLIC_HEALTH_PATH: '/auth/up' }), [])
})

t.test('a path of the gateway’s own is a plain one', async (t) => {
  const paths = [
    '',
    '/',
    'account',
    '/account/',
    '//account',
    '/a/../b',
    '/a%20b',
    '/:a',
    '/a/*',
    '/ä',
    '/.well-known/x'
  ]
  for (const [index, path] of paths.entries()) {
    const cwd = t.testdir({
      [`${index}.ts`]: `export default { pages: { path: ${JSON.stringify(path)} }, auth: { basePath: ${JSON.stringify(path)} } }`
    })
    isEach(t, await problemsFrom(loadPolicy(named(join(cwd, `${index}.ts`)))), [
      /auth\.basePath: must /,
      /pages\.path: must /
    ])
  }
  const wrong = t.testdir({ 'policy.ts': `export default { pages: { path: 7, paths: '/x' }, auth: { basePath: 7 } }` })
  isEach(t, await problemsFrom(loadPolicy(named(join(wrong, 'policy.ts')))), [
    /auth\.basePath: must be text/,
    /pages\.path: must be text/,
    /pages\.paths: is not known/
  ])
})

t.test('a path of BetterAuth may have limits of its own, within bounds where secrets are guessed', async (t) => {
  const dir = t.testdir({
    'good.ts': `export default { rateLimits: { '/api/auth/stripe/webhook': { requests: 5000, window: 10 } } }`,
    'bad.ts': `export default {
      auth: { plugins: [{ id: 'pin', rateLimit: [{ pathMatcher: (path) => path === '/pin', window: 60, max: 5 }] }] },
      rateLimits: { '/api/auth/pin': { requests: 5000, window: 10 }, '/api/auth/x': { requests: 1 } }
    }`,
    'worse.ts': `export default {
      auth: { plugins: [{ id: 'pin', rateLimit: [{ pathMatcher: (path) => path === '/pin', window: 60, max: 5 }] }] },
      rateLimits: { '/api/auth/pin': { requests: 5000, window: 10 } }
    }`
  })
  const { rateLimits } = await loadPolicy(named(join(dir, 'good.ts')))
  t.same(rateLimits, { '/api/auth/stripe/webhook': { requests: 5_000, window: 10 } })
  isEach(t, await problemsFrom(loadPolicy(named(join(dir, 'bad.ts')))), [
    /bad\.ts: rateLimits\["\/api\/auth\/x"\]\.window: must be a whole number of seconds/
  ])
  isEach(t, await problemsFrom(loadPolicy(named(join(dir, 'worse.ts')))), [
    /worse\.ts: rateLimits\["\/api\/auth\/pin"\]: is or covers a path where secrets can be guessed/
  ])
})
