import fc from 'fast-check'
import t from 'tap'
import { type Method, methods } from '../../auth/http-methods.ts'
import { compileRules } from '../../proxy/compile-route-rules.ts'
import type { Access, RouteRule } from '../../proxy/route-rules.ts'
import type { AppOperation } from '../../src/cli/init/app-outline.ts'
import { type Proposal, proposeRules } from '../../src/cli/init/proposed-rules.ts'
import { coverageOf } from '../../src/cli/openapi-coverage.ts'
import { pathTemplate } from '../../src/cli/path-template.ts'
import { createRouteMatcher } from '../../src/cli/route-decision.ts'
import { reservedPaths } from '../../src/config/load-settings.ts'
import { defineConfig, ownPathsOf } from '../../src/policy-file.ts'

const config = { pages: true, publicHealthPath: undefined }
const reserved = reservedPaths(config, ownPathsOf(defineConfig({})))

function settingsOf(routes: readonly RouteRule[]) {
  const { routes: compiled, problems } = compileRules(routes, reserved)
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return { config, policy: { ...defineConfig({}), routes }, routes: compiled }
}

const propose = (operations: readonly AppOperation[], present: readonly RouteRule[] = [], unlisted: string[] = []) =>
  proposeRules(
    { config, policy: { ...defineConfig({}), routes: present } },
    { operations, unlisted: unlisted.map((path) => ({ path, what: 'WebSocket' })) }
  )

const decided = ({ rules }: Proposal) => rules.filter(({ mark }) => mark !== 'removed').map(({ rule }) => rule)
const closed = ({ rules }: Proposal) =>
  rules.filter(({ mark }) => mark !== 'removed' && mark !== 'undecided').map(({ rule }) => rule)
const shown = ({ rules }: Proposal) =>
  rules.map(({ mark, rule }) => `${mark} ${rule.access} ${rule.methods?.join() ?? 'any'} ${rule.path}`)

function operation(text: string, secured = false, more: Partial<AppOperation> = {}): AppOperation {
  const [method = '', path = ''] = text.split(' ')
  return { method, path, secured, operationId: undefined, ...more }
}

t.test('what the document secures needs a session, and the rest is for a person to decide', async (t) => {
  const proposal = await propose([
    operation('GET /me', true),
    operation('GET /hello'),
    operation('GET /items/', true),
    operation('POST /items/'),
    operation('GET /users/{user_id}', true, { roles: ['admin'] }),
    operation('PUT /users/{user-id}'),
    operation('GET /feed', false, { optional: true }),
    operation('GET /files/{file:path}'),
    operation('GET /')
  ])
  t.same(shown(proposal), [
    'added session any /me',
    'undecided public GET /hello',
    'added session any /items',
    'undecided public POST /items',
    'added session any /users/:user_id',
    'undecided public PUT /users/:p2',
    'undecided optional GET /feed',
    'undecided public GET /files/*',
    'undecided public GET /'
  ])
  t.match(proposal.rules[4]?.reason, 'also asks for "admin"')
  t.match(proposal.rules[6]?.reason, 'asks who is there')
  t.same(proposal.notes, [])
})

t.test(
  'what no rule can name as precisely stays closed, and so does what shares a rule with something secured',
  async (t) => {
    const proposal = await propose([
      operation('GET /v{n}/x'),
      operation('GET /files/{name}.json'),
      operation('GET /50%'),
      operation('GET /items'),
      operation('GET /items/', true),
      operation('GET /a/{p:path}/end')
    ])
    t.same(shown(proposal), [
      'added session any /:p1/x',
      'added session any /files/:p2',
      'added session any /:p1',
      'added session any /items',
      'added session any /a/*'
    ])
    t.equal(proposal.notes.length, 5)
  }
)

t.test('a path for everything else opens nothing that is secured, hidden or a WebSocket', async (t) => {
  const operations = [operation('GET /raw/{p}', true), operation('POST /raw', true), operation('GET /{rest:path}')]
  const proposal = await propose(operations, [], ['/chat', '/static/{rest:path}'])
  t.same(shown(proposal), [
    'added session any /raw',
    'undecided public GET /*',
    'added session any /raw/*',
    'added session any /chat',
    'added session any /static/*'
  ])
  t.match(proposal.rules[1]?.reason, 'opens every such path')
  t.same(proposal.also, ['/chat', '/static/{rest:path}'])
  const decide = createRouteMatcher(settingsOf(decided(proposal)))
  for (const target of ['/raw', '/raw/a', '/raw/a/b', '/chat', '/static', '/static/a.js'])
    t.match(await decide('GET', target), { kind: 'rule', rule: { access: 'session' } }, target)
  t.match(await decide('GET', '/other'), { kind: 'rule', rule: { access: 'public' } })
})

t.test('a page for everything else that no document lists takes nothing from what it lists', async (t) => {
  const proposal = await propose([operation('GET /hello')], [], ['/{rest:path}'])
  t.same(shown(proposal), ['undecided public GET /hello'])
})

t.test('a present policy is kept, but where it opens what the document secures', async (t) => {
  const present: RouteRule[] = [
    { path: '/docs', access: 'public' },
    { path: '/open', access: 'public', methods: ['GET', 'POST'] },
    { path: '/all/*', access: 'optional' },
    { path: '/users/root', access: 'public', methods: ['GET'] },
    { path: '/kept', access: 'deny' },
    { path: '/gone', access: 'public' }
  ]
  const proposal = await propose(
    [
      operation('GET /open', true),
      operation('POST /open'),
      operation('GET /all/mine', true),
      operation('GET /all/others'),
      operation('GET /users/{id}', true),
      operation('GET /kept'),
      operation('GET /new')
    ],
    present
  )
  t.same(shown(proposal), [
    'kept public any /docs',
    'removed public GET,POST /open',
    'added public POST /open',
    'kept optional any /all/*',
    'removed public GET /users/root',
    'kept deny any /kept',
    'kept public any /gone',
    'added session any /users/:id',
    'undecided public GET /new',
    'added session GET /open',
    'added session GET /all/mine',
    'added session GET /users/root'
  ])
  t.same(proposal.notes, ['the rule /gone (public) decides no operation'])
})

t.test('what the gateway answers itself is said, and gets no rule', async (t) => {
  const proposal = await propose([operation('GET /auth/login'), operation('POST /api/auth/{rest:path}', true)])
  t.same(proposal.rules, [])
  t.match(proposal.notes, [/^GET \/auth\/login never reaches the app: the gateway answers \/auth itself/])
})

const literal = fc.constantFrom('a', 'b', 'ab', 'auth', 'me', '%', 'caf\u00e9')
const template = fc
  .tuple(
    fc.array(fc.oneof(literal, fc.constantFrom('{x}', '{y}', 'a{x}', '{x}.b', '{x:path}')), { maxLength: 4 }),
    fc.boolean()
  )
  .map(([segments, slash]) => `/${segments.join('/')}${slash && segments.length > 0 ? '/' : ''}`)
const operations = fc.uniqueArray(
  fc.record({
    method: fc.constantFrom('GET', 'POST', 'HEAD', 'DELETE', 'TRACE'),
    path: template,
    kind: fc.constantFrom('secured', 'optional', 'open')
  }),
  { maxLength: 9, selector: ({ method, path }) => `${method} ${path}` }
)
const rule = fc
  .record({
    path: fc
      .tuple(
        fc.array(
          fc.oneof(
            literal.filter((one) => one !== '%'),
            fc.constant(':p')
          ),
          { maxLength: 3 }
        ),
        fc.boolean()
      )
      .map(([segments, wild]) => `/${segments.join('/')}${wild ? (segments.length === 0 ? '*' : '/*') : ''}`),
    access: fc.constantFrom<Access[]>('public', 'optional', 'session', 'deny'),
    named: fc.constantFrom<Method[][]>([], ['GET'], ['POST'], ['GET', 'DELETE'])
  })
  .map(({ path, access, named }): RouteRule => ({ path, access, ...(named.length === 0 ? {} : { methods: named }) }))
const present = fc.uniqueArray(rule, { maxLength: 5, selector: ({ path }) => path })
const isUsable = (rules: readonly RouteRule[]) => compileRules(rules, reserved).problems.length === 0

function asOperations(made: readonly { method: string; path: string; kind: string }[]): AppOperation[] {
  return made.map(({ method, path, kind }) =>
    operation(`${method} ${path}`, kind === 'secured', kind === 'optional' ? { optional: true } : {})
  )
}

t.test('whatever is proposed for an app, once decided, leaves nothing to mend', async (t) => {
  await fc.assert(
    fc.asyncProperty(operations, async (made) => {
      const app = asOperations(made)
      const proposal = await propose(app)
      const settings = settingsOf(decided(proposal))
      const listed = app.map((one) => ({ ...one, path: one.path.replaceAll(':path}', '}') }))
      for (const document of [app, listed]) {
        const { findings: all } = await coverageOf(settings, document)
        const findings = document === app ? all.filter(({ kind }) => kind === 'open') : all
        // What no rule can name is said in a note instead.
        const left = findings.filter(
          ({ sentence }) => !proposal.notes.some((note) => note.startsWith(`${sentence.split(':')[0]}:`))
        )
        if (left.length > 0)
          throw new Error(`${JSON.stringify(left)} of ${JSON.stringify(shown(proposal))} with ${proposal.notes}`)
      }
    }),
    { numRuns: 150 }
  )
  t.pass('nothing was found')
})

t.test('nothing is opened before a person decides, and nothing secured after that', async (t) => {
  await fc.assert(
    fc.asyncProperty(operations, present.filter(isUsable), async (made, rules) => {
      const app = asOperations(made)
      const proposal = await propose(app, rules)
      const before = createRouteMatcher(settingsOf(rules))
      const waiting = createRouteMatcher(settingsOf(closed(proposal)))
      const after = createRouteMatcher(settingsOf(decided(proposal)))
      const isOpen = async (decide: typeof before, method: string, target: string) => {
        const decision = await decide(method, target)
        return decision.kind === 'rule' && ['public', 'optional'].includes(decision.rule.access)
      }
      const paths = decided(proposal).map(({ path }) => path)
      const all = app.map((one) => ({ ...one, template: pathTemplate(one.path) }))
      for (const [index, one] of all.entries()) {
        for (const instance of one.template.instances(paths)) {
          const target = instance.split('/').map(encodeURIComponent).join('/')
          for (const method of methods) {
            const opened = !(await isOpen(before, method, target)) && (await isOpen(waiting, method, target))
            if (opened) throw new Error(`${method} ${target} is opened by ${JSON.stringify(shown(proposal))}`)
          }
          const taken = all
            .slice(0, index)
            .some((other) => other.method === one.method && other.template.matches(instance))
          if (!one.secured || taken) continue
          if (await isOpen(after, one.method, target))
            throw new Error(`${one.method} ${target}, secured, is open by ${JSON.stringify(shown(proposal))}`)
        }
      }
    }),
    { numRuns: 150 }
  )
  t.pass('nothing was opened')
})
