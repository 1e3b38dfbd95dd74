import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { testPython, withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { gatehouse, listening } from './gatehouse.ts'

const policy = (...rules: object[]) => `export default { routes: ${JSON.stringify(rules)} }`
const bearer = [{ bearer: [] }]

async function judge(t: Test, document: object, rules: object[], ...args: string[]) {
  const cwd = t.testdir({ 'gatehouse.config.ts': policy(...rules), 'api.json': JSON.stringify(document) })
  const { status, stdout, stderr } = await gatehouse(['routes', '--openapi', 'api.json', '--json', ...args], cwd)
  t.equal(stderr, '')
  const { operations, findings }: { operations: Line[]; findings: { kind: string; sentence: string }[] } =
    JSON.parse(stdout)
  return {
    status,
    reach: operations.map(({ method, path, reach }) => [
      `${method} ${path}`,
      ...reach.map((one) => (one.byDefault === true ? 'default' : `${one.access} ${one.path}`)).sort()
    ]),
    operations,
    findings
  }
}

interface Line {
  method: string
  path: string
  operationId?: string
  secured: boolean
  optional?: true
  reach: { access: string; path: string; byDefault?: true }[]
  deeper?: { access: string; path: string }[]
}

t.test(
  'every operation of the example is listed with who can reach it, and its policy leaves nothing to mend but its choice',
  {
    skip: await withoutPython()
  },
  async (t) => {
    const app = await startUvicorn(t)
    const cwd = new URL('../..', import.meta.url).pathname
    const args = ['routes', '--openapi', `${app.url}/openapi.json`]
    const { status, stdout } = await gatehouse(args, cwd)
    t.equal(status, 0)
    const document: unknown = await (await fetch(`${app.url}/openapi.json`)).json()
    const paths = typeof document === 'object' && document !== null && 'paths' in document ? document.paths : {}
    for (const [path, item] of Object.entries(paths ?? {}))
      for (const method of Object.keys(item))
        t.ok(
          stdout.split('\n').some((line) => line.split(/ +/).slice(1, 3).join() === `${method.toUpperCase()},${path}`),
          `${method} ${path}`
        )
    t.match(stdout, /^public +GET +\/hello +\/hello +hello_hello_get$/m)
    t.match(stdout, /^optional +GET +\/feed\/\{item\} +\/feed\/\* /m)
    t.match(stdout, /^deny +GET +\/internal\/\{anything\} +\/internal\/\* /m)
    t.match(stdout, /^session +GET +\/me +\(no rule\) +secured +me_me_get$/m)
    t.match(stdout, /^optional +GET +\/feed +\/feed\/\* +optional +feed_feed_get$/m)
    t.match(stdout, /^! GET \/me: no rule names it, so it needs a session$/m)
    t.notMatch(stdout, /decides no operation|declares it secured|told of nobody/)
    t.equal((await gatehouse([...args, '--strict'], cwd)).status, 1)

    // As docs/policy.md has it for CI: without a server.
    const code = 'import json, main; print(json.dumps(main.app.openapi()))'
    const printed = spawn(await testPython(), ['-B', '-c', code], { cwd: `${cwd}examples/fastapi` })
    const file = join(t.testdir(), 'openapi.json')
    await writeFile(file, await text(printed.stdout))
    t.equal((await gatehouse(['routes', '--openapi', file], cwd)).stdout, stdout)

    // A policy that opens what the app declares.
    const open = t.testdir({
      'gatehouse.config.ts': policy(
        { path: '/*', access: 'session' },
        { path: '/me', access: 'public' },
        { path: '/verified-only', access: 'optional' },
        { path: '/feed/*', access: 'public' },
        { path: '/hello', access: 'public' },
        { path: '/public/*', access: 'public' }
      )
    })
    const opened = await gatehouse(['routes', '--openapi', `${app.url}/openapi.json`, '--strict'], open)
    t.equal(opened.status, 1)
    t.same(
      opened.stdout.split('\n').filter((line) => line.startsWith('! ')),
      [
        '! GET /feed: FastAPI asks who is there, the rule /feed/* makes it public, so it is told of nobody',
        '! GET /feed/{item}: FastAPI asks who is there, the rule /feed/* makes it public, so it is told of nobody',
        '! GET /me: FastAPI declares it secured, the rule /me makes it public',
        '! GET /verified-only: FastAPI declares it secured, the rule /verified-only makes it optional'
      ]
    )
  }
)

t.test('an operation that FastAPI secures and the policy opens is found, by its own word or that of all', async (t) => {
  const document = {
    openapi: '3.1.0',
    security: bearer,
    paths: {
      '/all': { get: { operationId: 'all' } },
      '/own': { get: { security: bearer }, post: { security: [] } },
      '/maybe': { get: { security: [{}, ...bearer] } },
      '/kept': { get: {} }
    }
  }
  const rules = [
    { path: '/all', access: 'public' },
    { path: '/own', access: 'optional' },
    { path: '/maybe', access: 'public' },
    { path: '/kept', access: 'session' }
  ]
  const { status, operations, findings } = await judge(t, document, rules, '--strict')
  t.equal(status, 1)
  t.same(
    operations.map(({ secured }) => secured),
    [true, true, false, false, true]
  )
  t.equal(operations[0]?.operationId, 'all')
  t.same(
    findings.map(({ kind, sentence }) => `${kind} ${sentence}`),
    [
      'open GET /all: FastAPI declares it secured, the rule /all makes it public',
      'open GET /own: FastAPI declares it secured, the rule /own makes it optional'
    ]
  )
})

t.test(
  'of the schemes of an operation those for strangers too say nothing where another one stands beside them',
  async (t) => {
    const components = {
      securitySchemes: { Maybe: { 'x-gatehouse-optional': true }, Odd: { 'x-gatehouse-optional': 'yes' } }
    }
    const maybe = [{ Maybe: [] }]
    const securities = {
      maybe,
      both: [...maybe, ...bearer],
      none: [...maybe, {}],
      odd: [{ Odd: [] }],
      unknown: [{ Other: [] }]
    }
    const paths = Object.fromEntries(
      Object.entries(securities).map(([name, security]) => [`/${name}`, { get: { security } }])
    )
    const { operations } = await judge(t, { openapi: '3.1.0', components, paths }, [{ path: '/*', access: 'session' }])
    t.same(
      operations.map(({ path, secured, optional = false }) => [path, secured, optional]),
      [
        ['/maybe', false, true],
        ['/both', true, false],
        ['/none', false, true],
        ['/odd', true, false],
        ['/unknown', true, false]
      ]
    )
  }
)

t.test('a template meets every rule that decides some value of its parameters, and only those', async (t) => {
  const document = {
    openapi: '3.1.0',
    paths: {
      '/users/me': { get: {} },
      '/users/{id}': { get: {}, put: {} },
      '/v{n}/x': { get: {} },
      '/files/{name}.json': { get: {} },
      '/deep/{a}/{b}': { get: {} },
      '/caf\u00e9/{x}': { get: {} },
      '/items/': { get: {} },
      '/': { get: {} }
    }
  }
  const rules = [
    { path: '/users/:id', access: 'session' },
    { path: '/users/me', access: 'public' },
    { path: '/users/root', access: 'deny', methods: ['PUT'] },
    { path: '/users/:id/posts', access: 'public' },
    { path: '/v1/x', access: 'public' },
    { path: '/w1/x', access: 'public' },
    { path: '/files/a.json', access: 'public' },
    { path: '/files/a.txt', access: 'public' },
    { path: '/deep/*', access: 'session' },
    { path: '/deep/a/:x', access: 'optional' },
    { path: '/deep/:x/b', access: 'public' },
    { path: '/caf\u00e9/*', access: 'public' },
    { path: '/items', access: 'public' },
    { path: '/', access: 'public' }
  ]
  const { status, reach, findings } = await judge(t, document, rules)
  t.equal(status, 0, 'without --strict nothing fails')
  t.same(reach, [
    ['GET /users/me', 'public /users/me'],
    ['GET /users/{id}', 'session /users/:id'],
    ['PUT /users/{id}', 'deny /users/root', 'public /users/me', 'session /users/:id'],
    ['GET /v{n}/x', 'default', 'public /v1/x'],
    ['GET /files/{name}.json', 'default', 'public /files/a.json'],
    ['GET /deep/{a}/{b}', 'optional /deep/a/:x', 'public /deep/:x/b', 'session /deep/*'],
    ['GET /caf\u00e9/{x}', 'public /caf\u00e9/*'],
    ['GET /items/', 'public /items'],
    ['GET /', 'public /']
  ])
  t.same(
    findings.filter(({ kind }) => kind === 'unused').map(({ sentence }) => sentence),
    [
      'the rule /users/:id/posts (public) decides no operation',
      'the rule /w1/x (public) decides no operation',
      'the rule /files/a.txt (public) decides no operation'
    ]
  )
})

t.test('the first operation that fits takes a request, as in Starlette', async (t) => {
  const rules = [
    { path: '/users/:id', access: 'session' },
    { path: '/users/me', access: 'public' }
  ]
  const item = { get: { security: bearer } }
  const paths = { '/users/{id}': item, '/users/me': item }
  const { findings, reach } = await judge(t, { openapi: '3.0.3', paths }, rules)
  t.same(reach, [['GET /users/{id}', 'public /users/me', 'session /users/:id'], ['GET /users/me']])
  t.equal(findings.length, 1)
})

t.test('a parameter that may take several segments is judged that far', async (t) => {
  const rules = [
    { path: '/files/*', access: 'session' },
    { path: '/files/a/b', access: 'public' },
    { path: '/raw/:name', access: 'session' },
    { path: '/raw/*', access: 'public' }
  ]
  const item = { get: { security: bearer } }
  const written = await judge(t, { openapi: '3.1.0', paths: { '/files/{p:path}': item, '/raw/{p}': item } }, rules)
  t.same(written.reach[0], ['GET /files/{p:path}', 'public /files/a/b', 'session /files/*'])
  t.same(written.reach[1], ['GET /raw/{p}', 'session /raw/:name'])
  t.match(written.operations[1]?.deeper, [{ access: 'public', path: '/raw/*' }])
  t.match(written.findings[1]?.sentence, /\/raw\/\* makes it public if its last parameter takes several segments$/)

  // Another operation answers what lies deeper.
  const other = { '/raw/{p}': item, '/raw/{p}/{q}': { get: {} }, '/raw/{p}/{q}/{r}': { get: {} } }
  t.same((await judge(t, { openapi: '3.1.0', paths: other }, rules.slice(2))).operations[0]?.deeper, undefined)
})

t.test('the path of the server that the document names stands before every path', async (t) => {
  const servers = [
    { url: '/v1' },
    { url: 'https://api.example.com/{stage}/', variables: { stage: { default: 'beta' } } }
  ]
  const paths = { '/a': { get: {} }, '/b': { servers: [{ url: '/' }], get: {} } }
  const { reach } = await judge(t, { openapi: '3.1.0', servers, paths }, [{ path: '/v1/*', access: 'public' }])
  t.same(reach, [
    ['GET /v1/a', 'public /v1/*'],
    ['GET /beta/a', 'default'],
    ['GET /b', 'default']
  ])
})

t.test('what never reaches FastAPI is said, and rules about what no document lists can be vouched for', async (t) => {
  const paths = { '/auth/login': { get: {} }, '/x': { trace: {} } }
  const rules = [
    { path: '/chat', access: 'public' },
    { path: '/docs/*', access: 'public' },
    { path: '/openapi.json', access: 'public' }
  ]
  const document = { openapi: '3.1.0', paths }
  const strict = await judge(t, document, rules, '--strict')
  t.same(strict.reach, [
    ['GET /auth/login', 'gateway /auth'],
    ['TRACE /x', 'refused /x']
  ])
  t.same(
    strict.findings.map(({ sentence }) => sentence),
    ['the rule /chat (public) decides no operation']
  )
  t.equal(strict.status, 1)
  t.equal((await judge(t, document, rules, '--strict', '--also', '/chat')).status, 0)
})

t.test('a document that cannot be used ends in one sentence', async (t) => {
  const cwd = t.testdir({
    'html.json': '<html>',
    'two.json': '{"swagger":"2.0","paths":{}}',
    'three.json': '{"openapi":"3.1.0","paths":{"a":{}}}'
  })
  const server = createServer((request, response) => {
    void text(request)
    response.writeHead(401).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const silent = await listening(t)
  for (const [source, sentence] of [
    ['nowhere.json', /cannot be read \(ENOENT\)/],
    ['html.json', /is not JSON/],
    ['two.json', /is not an OpenAPI 3 document/],
    ['three.json', /is not an OpenAPI 3 document/],
    [`http://127.0.0.1:${port}/canary`, /was answered with status 401/],
    ['http://canary:canary@127.0.0.1:1/', /cannot be fetched/],
    [`http://127.0.0.1:${silent}/canary`, /cannot be fetched/]
  ] as const) {
    const { status, stdout, stderr } = await gatehouse(['routes', '--openapi', source], cwd)
    t.equal(status, 2, source)
    t.equal(stdout, '')
    t.match(stderr, /^--openapi: [^\n]*\n$/)
    t.match(stderr, sentence)
    t.notMatch(stderr, /canary/)
  }
  for (const alone of [['--strict'], ['--also', '/x']])
    t.match(await gatehouse(['routes', ...alone], cwd), { status: 2, stderr: /go with --openapi/ })
})
