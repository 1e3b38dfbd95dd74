import t from 'tap'
import { gatehouse } from './gatehouse.ts'

const policy = `export default { routes: [
  { path: '/docs', access: 'public' },
  { path: '/feed/*', access: 'optional', methods: ['GET'] },
  { path: '/users/:id', access: 'session' },
  { path: '/users/me@home', access: 'public' },
  { path: '/internal/*', access: 'deny' }
] }`

t.test('wrong usage exits 2 with a sentence on stderr', async (t) => {
  const cwd = t.testdir()
  for (const args of [['serve'], ['explain', 'GET'], ['routes', '--yaml'], []]) {
    const { status, stdout, stderr } = await gatehouse(args, cwd)
    t.equal(status, 2, args.join(' '))
    t.equal(stdout, '')
    t.not(stderr, '')
  }
})

t.test('asking for help exits 0', async (t) => {
  const { status, stdout } = await gatehouse(['--help'], t.testdir())
  t.equal(status, 0)
  for (const command of ['start', 'migrate', 'check', 'routes', 'explain']) t.match(stdout, command)
})

t.test(
  'every command but migrate prints the problems of the environment and of the policy file together',
  async (t) => {
    const cwd = t.testdir({
      'gatehouse.config.ts': "export default { routes: [{ path: 'x', access: 'public' }], rout: 1 }"
    })
    for (const args of [['start'], ['check'], ['routes'], ['explain', 'GET', '/']]) {
      const { status, stdout, stderr } = await gatehouse(args, cwd, { PORT: 'canary', PAGES: 'canary' })
      t.equal(status, 2, args.join(' '))
      t.equal(stdout, '')
      const lines = stderr.trim().split('\n')
      t.equal(lines.length, 3)
      t.match(stderr, /^PORT: .*\nPAGES: .*\n.*rout: is not known/)
      t.notMatch(stderr, /canary/)
    }
  }
)

t.test('rules that contradict each other, or name what is the gateway’s, are problems', async (t) => {
  const cwd = t.testdir({
    'gatehouse.config.ts': `export default { routes: [
      { path: '/a/:x', access: 'public' }, { path: '/a/:y', access: 'deny' }, { path: '/api/auth/*', access: 'public' }
    ] }`
  })
  const { status, stderr } = await gatehouse(['check'], cwd)
  t.equal(status, 2)
  t.match(stderr, /different things/)
  t.match(stderr, /\/api\/auth/)
})

t.test('a policy file that is named and missing exits 2', async (t) => {
  const { status, stderr } = await gatehouse(['routes'], t.testdir(), { GATEHOUSE_CONFIG: 'canary.ts' })
  t.equal(status, 2)
  t.match(stderr, /^GATEHOUSE_CONFIG: /)
  t.notMatch(stderr, /canary/)
})

t.test('routes prints who may reach what, closed at the end', async (t) => {
  const cwd = t.testdir({ 'gatehouse.config.ts': policy })
  const { status, stdout } = await gatehouse(['routes'], cwd)
  t.equal(status, 0)
  t.same(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/)),
    [
      ['gateway', 'any', '/api/auth/*', 'answered by the gateway itself'],
      ['gateway', 'any', '/auth/*', 'answered by the gateway itself'],
      ['public', 'any', '/docs', 'everybody; nobody is told who asks'],
      ['optional', 'GET', '/feed/*', 'everybody; who is signed in is known'],
      ['deny', 'any', '/internal/*', 'nobody: 404'],
      ['session', 'any', '/users/:id', 'whoever is signed in'],
      ['public', 'any', '/users/me@home', 'everybody; nobody is told who asks'],
      ['session', 'any', '/*', 'whoever is signed in, for all that no rule names']
    ]
  )
})

t.test('routes --json is the same for machines', async (t) => {
  const cwd = t.testdir({ 'gatehouse.config.ts': policy })
  const { stdout } = await gatehouse(['routes', '--json'], cwd, { PAGES: 'false', PUBLIC_HEALTH_PATH: '/up' })
  const lines: unknown = JSON.parse(stdout)
  t.match(lines, [
    { access: 'gateway', methods: 'any', path: '/api/auth/*' },
    { access: 'gateway', methods: ['GET'], path: '/up' },
    { access: 'public', methods: 'any', path: '/docs' },
    { access: 'optional', methods: ['GET'], path: '/feed/*' }
  ])
})

const explained: readonly (readonly [method: string, path: string, ...expected: RegExp[]])[] = [
  ['GET', '/docs', /rule {4}\/docs \(any method\)/, /access {2}public/],
  ['get', '/feed/7?page=2', /rule {4}\/feed\/\* \(GET\)/, /access {2}optional/],
  ['HEAD', '/feed', /rule {4}\/feed\/\*/],
  ['POST', '/feed/7', /none names it, so it needs a session/, /access {2}session/, /401 SESSION_REQUIRED/],
  ['GET', '/users/me%40home', /rule {4}\/users\/me@home/, /access {2}public/],
  ['GET', `/users/${'x'.repeat(300)}`, /rule {4}\/users\/:id/],
  ['DELETE', '/internal/x/y', /access {2}deny/, /404 NOT_FOUND/],
  ['GET', '/docs/../internal', /400 PATH_AMBIGUOUS/],
  ['GET', '/a%2fb', /400 PATH_AMBIGUOUS/],
  ['GET', 'http://localhost:8080/feed/7?page=2', /rule {4}\/feed\/\* \(GET\)/],
  ['GET', 'https://app.example.com/docs/../internal', /400 PATH_AMBIGUOUS/],
  ['GET', 'https://app.example.com', /none names it, so it needs a session/],
  ['TRACE', '/docs', /405 METHOD_NOT_ALLOWED/],
  ['POST', '/api/auth/sign-in/email', /by the gateway itself, under \/api\/auth/]
]

for (const [method, path, ...expected] of explained) {
  t.test(`explain ${method} ${path.slice(0, 40)} says what decides`, async (t) => {
    const cwd = t.testdir({ 'gatehouse.config.ts': policy })
    const { status, stdout } = await gatehouse(['explain', method, path], cwd)
    t.equal(status, 0)
    for (const pattern of expected) t.match(stdout, pattern)
  })
}

t.test('explain of what is no path says so', async (t) => {
  const cwd = t.testdir({ 'gatehouse.config.ts': policy })
  for (const path of ['docs', '', '*', 'localhost:8080/docs'])
    t.match(await gatehouse(['explain', 'GET', path], cwd), {
      status: 2,
      stdout: '',
      stderr: /^PATH: must begin with "\/"/
    })
})
