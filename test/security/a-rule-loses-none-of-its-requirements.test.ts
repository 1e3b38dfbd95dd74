import { join } from 'node:path'
import t from 'tap'
import { loadPolicy } from '../../src/policy-file.ts'
import { importPolicy } from '../../src/policy-import.ts'
import { isEach, problemsFrom } from '../src/problems.ts'

const lost = 'is not a plain object: what it has from a class or a prototype would be lost'

const policies: readonly (readonly [what: string, text: string, ...places: string[]])[] = [
  [
    'a rule of a class with a getter',
    `class AdminRule { path = '/admin/*'; access = 'session'; get roles() { return ['admin'] } }
     export default { routes: [new AdminRule()] }`,
    'routes[0]'
  ],
  [
    'a rule with a prototype',
    `export default { routes: [
       { path: '/', access: 'public' },
       { path: '/admin/*', access: 'session', __proto__: { roles: ['admin'] } }
     ] }`,
    'routes[1]'
  ],
  [
    'sections with a prototype',
    `const proto = { __proto__: { idle: 60 } }
     const another = { __proto__: {} }
     export default {
       session: proto, bodies: another, rateLimits: { '/x': { __proto__: {} } }, brand: { accent: { __proto__: {} } },
       headers: { __proto__: {} }, pages: { __proto__: {} }, mail: { __proto__: {} },
       upstreams: { other: { url: 'http://127.0.0.1:1', __proto__: { token: 'x' } } },
       principalHeaders: [{ field: 'x', clientMaySet: true, __proto__: {} }],
       auth: { advanced: { __proto__: { disableCSRFCheck: true } } }
     }`,
    'session',
    'bodies',
    'rateLimits./x',
    'brand.accent',
    'headers',
    'pages',
    'mail',
    'upstreams.other',
    'principalHeaders[0]',
    'auth.advanced'
  ],
  ['the whole policy of a class', 'class Policy { get routes() { return [] } }\nexport default new Policy()', '']
]

for (const [what, text, ...places] of policies)
  t.test(`${what} is refused, and not read in part`, async (t) => {
    const path = join(t.testdir({ 'policy.mjs': text }), 'policy.mjs')
    const problems = await problemsFrom(loadPolicy({ path, named: true }))
    for (const place of places) {
      const start = `${path}: ${place === '' ? '' : `${place}: `}${lost}`
      t.ok(
        problems.some((problem) => problem.startsWith(start)),
        `${start} in ${problems.join(' | ')}`
      )
    }
  })

t.test('defineConfig copies nothing that has a prototype', async (t) => {
  const api = new URL('../../src/public-api.ts', import.meta.url).href
  for (const policy of ['new (class { get routes() { return [] } })()', '{ headers: { __proto__: { drop: [] } } }']) {
    const path = join(
      t.testdir({ 'policy.mjs': `import { defineConfig } from '${api}'\nexport default defineConfig(${policy})` }),
      'policy.mjs'
    )
    isEach(t, await problemsFrom(importPolicy(path)), [
      /cannot be imported: TypeError: the policy, its headers and its pages have to be plain objects/
    ])
  }
})

t.test('getters of its own, plugins and validators of a class are read', async (t) => {
  const path = join(
    t.testdir({
      'policy.mjs': `class Plugin { id = 'own' }
        export default {
          routes: [{ path: '/admin/*', get access() { return 'deny' } }, Object.assign(Object.create(null), { path: '/x', access: 'deny' })],
          auth: { plugins: [new Plugin()], user: { additionalFields: { since: { type: 'date', defaultValue: new Date(0) } } } }
        }`
    }),
    'policy.mjs'
  )
  t.same((await loadPolicy({ path, named: true })).routes, [
    { path: '/admin/*', access: 'deny' },
    { path: '/x', access: 'deny' }
  ])
})
