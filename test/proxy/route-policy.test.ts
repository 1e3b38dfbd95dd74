import { fastify } from 'fastify'
import t, { type Test } from 'tap'
import type { Method } from '../../auth/http-methods.ts'
import { compileRules, routerOptions } from '../../proxy/compile-route-rules.ts'
import { rewriteUrl } from '../../proxy/request-validation.ts'
import type { RouteRule } from '../../proxy/route-rules.ts'

/** Answers which rule Fastify's router gives a request to. */
async function router(t: Test, rules: readonly RouteRule[]) {
  const { routes, problems } = compileRules(rules)
  t.same(problems, [])
  const app = fastify({ rewriteUrl, exposeHeadRoutes: false, routerOptions })
  for (const { url, methods, rule } of routes) {
    app.route({ url, method: [...methods], handler: () => `${rule.path} ${rule.access}` })
  }
  await app.ready()
  return async (path: string, method: Method = 'GET') => (await app.inject({ method, url: path })).body
}

t.test('what no rule names needs a session', async (t) => {
  const at = await router(t, [{ path: '/docs', access: 'public' }])
  for (const path of ['/', '/docsx', '/docs/x', '/x', '/x/y/z']) t.equal(await at(path), '/* session', path)
  t.equal(await at('/x', 'DELETE'), '/* session')
})

t.test('no rule at all leaves everything closed', async (t) => {
  const at = await router(t, [])
  for (const path of ['/', '/x', '/x/']) t.equal(await at(path), '/* session', path)
})

t.test('"/x" covers "/x/", "/x/*" covers "/x"', async (t) => {
  const at = await router(t, [
    { path: '/x', access: 'public' },
    { path: '/y/*', access: 'deny' }
  ])
  t.equal(await at('/x'), '/x public')
  t.equal(await at('/x/'), '/x public')
  for (const path of ['/y', '/y/', '/y/z', '/y/z/']) t.equal(await at(path), '/y/* deny', path)
  t.equal(await at('/yz'), '/* session')
})

t.test('the most specific rule wins, whatever the order', async (t) => {
  const rules: RouteRule[] = [
    { path: '/*', access: 'deny' },
    { path: '/a/*', access: 'session' },
    { path: '/a/:id', access: 'optional' },
    { path: '/a/me', access: 'public' },
    { path: '/a/:id/x', access: 'deny' }
  ]
  for (const order of [rules, [...rules].reverse()]) {
    const at = await router(t, order)
    t.equal(await at('/a/me'), '/a/me public')
    t.equal(await at('/a/7'), '/a/:id optional')
    t.equal(await at('/a/7/x'), '/a/:id/x deny')
    t.equal(await at('/a/7/y'), '/a/* session')
    t.equal(await at('/a'), '/a/* session')
    t.equal(await at('/b'), '/* deny')
  }
})

t.test('a parameter is one segment that is not empty, however long or odd', async (t) => {
  const at = await router(t, [{ path: '/items/:id', access: 'public' }])
  for (const id of [
    '7',
    'a'.repeat(5_000),
    '%E2%80%A8',
    '%E2%80%A9',
    'a%3Fb',
    'a%23',
    '100%25',
    '@me',
    ':',
    '*',
    '(x)'
  ]) {
    t.equal(await at(`/items/${id}`), '/items/:id public', id.slice(0, 20))
  }
  t.equal(await at('/items/'), '/* session')
  t.equal(await at('/items'), '/* session')
  t.equal(await at('/items/7/x'), '/* session')
  t.equal(await at('/items/7/'), '/items/:id public')
})

t.test('reserved characters are the same raw and encoded', async (t) => {
  for (const char of "$&+,:;=@!'") {
    const literal = `/v1/a${char}b`
    const at = await router(t, [{ path: literal, access: 'public' }])
    t.equal(await at(literal), `${literal} public`, literal)
    t.equal(await at(`/v1/a%${char.charCodeAt(0).toString(16)}b`), `${literal} public`, `${literal} encoded`)
    t.equal(await at('/v1/ab'), '/* session')
  }
})

t.test('literals beyond ASCII match their encoding', async (t) => {
  const at = await router(t, [{ path: '/café/a b', access: 'public' }])
  t.equal(await at('/caf%C3%A9/a%20b'), '/café/a b public')
})

t.test('a rule with methods leaves the others to the next rule; GET implies HEAD', async (t) => {
  const at = await router(t, [
    { path: '/u/:id', methods: ['GET'], access: 'public' },
    { path: '/u/*', access: 'deny' },
    { path: '/p', methods: ['GET'], access: 'public' },
    { path: '/p', access: 'optional' }
  ])
  t.equal(await at('/u/1'), '/u/:id public')
  t.equal(await at('/u/1', 'POST'), '/u/* deny')
  t.equal(await at('/p'), '/p public')
  t.equal(await at('/p', 'POST'), '/p optional')
  const { routes } = compileRules([{ path: '/u', methods: ['GET'], access: 'public' }])
  t.same(routes.find(({ url }) => url === '/u')?.methods, ['GET', 'HEAD'])
})

t.test('a capital letter is another path, as in FastAPI', async (t) => {
  const at = await router(t, [{ path: '/docs', access: 'public' }])
  t.equal(await at('/Docs'), '/* session')
})

t.test('rules that say different things about the same requests are a problem', async (t) => {
  const conflicts: [RouteRule, RouteRule][] = [
    [
      { path: '/x', access: 'public' },
      { path: '/x', access: 'deny' }
    ],
    [
      { path: '/a/:x', access: 'public' },
      { path: '/a/:y', access: 'session' }
    ],
    [
      { path: '/a/*', access: 'public' },
      { path: '/a/*', access: 'session' }
    ],
    [
      { path: '/a/*', access: 'public' },
      { path: '/a/*', access: 'public', encodedSlashes: true }
    ],
    [
      { path: '/m', methods: ['GET', 'POST'], access: 'public' },
      { path: '/m', methods: ['POST'], access: 'deny' }
    ]
  ]
  for (const rules of conflicts) t.match(compileRules(rules).problems, [/say different things/])
  t.same(
    compileRules([
      { path: '/x', access: 'deny' },
      { path: '/x', access: 'deny' }
    ]).problems,
    []
  )
})

t.test('a rule that is not made of literals, whole parameters and a final /* is a problem', async (t) => {
  const bad = [
    'x',
    '',
    '/x/',
    '/a//b',
    '/a/*/b',
    '/a*',
    '/*x',
    '/:',
    '/:1a',
    '/:a-:b',
    '/:a?',
    '/:a+',
    '/:a(\\d+)',
    '/a(b)',
    '/a%20b',
    '/a?b',
    '/a#b',
    '/a/../b',
    '/.',
    '/a/..;',
    '/a\\b',
    '/a\u0000'
  ]
  for (const path of bad) t.equal(compileRules([{ path, access: 'public' }]).problems.length, 1, path)
})

t.test('only where everything below a path is meant can slashes be encoded', async (t) => {
  const problems = (path: string) => compileRules([{ path, access: 'public', encodedSlashes: true }]).problems
  for (const path of ['/*', '/files/*', '/:tenant/files/*']) t.same(problems(path), [], path)
  for (const path of ['/', '/files', '/files/:id', '/files/:id/x'])
    t.match(problems(path), [/says encodedSlashes, which only a path that ends in "\/\*" can/], path)
})

t.test('what the gateway answers itself cannot be ruled about', async (t) => {
  const problems = (path: string) => compileRules([{ path, access: 'public' }], ['/api/auth', '/auth']).problems.length
  for (const path of ['/api/auth', '/api/auth/*', '/api/auth/x', '/auth/sign-in']) t.equal(problems(path), 1, path)
  for (const path of ['/api/*', '/api/authors', '/authx']) t.equal(problems(path), 0, path)
})
