import { join } from 'node:path'
import t from 'tap'
import { defineConfig, loadPolicy } from '../../src/policy-file.ts'
import { gatehouse } from './gatehouse.ts'
import { isEach, problemsFrom } from './problems.ts'

const certificate = join(import.meta.dirname, '../proxy/certificates/ca.pem')

t.test('upstreams are servers and folders, and their paths start at the policy file', async (t) => {
  const cwd = t.testdir({
    site: { build: { 'index.html': '' } },
    'policy.ts': `export default {
      upstreams: {
        site: { directory: 'site/build' },
        docs: 'http://127.0.0.1:3000',
        jobs: { url: 'https://jobs.internal', timeout: 0.5, token: 'between-us', caFile: ${JSON.stringify(certificate)} }
      },
      routes: [{ path: '/site/*', access: 'public', upstream: 'site' }]
    }`
  })
  const policy = await loadPolicy({ path: join(cwd, 'policy.ts'), named: true })
  t.same(policy.upstreams, {
    site: { directory: join(cwd, 'site/build') },
    docs: 'http://127.0.0.1:3000',
    jobs: { url: 'https://jobs.internal', timeout: 0.5, token: 'between-us', caFile: certificate }
  })
  t.same(policy.routes, [{ path: '/site/*', access: 'public', upstream: 'site' }])
})

t.test('an upstream that cannot be used is refused with every reason, and nothing of it is repeated', async (t) => {
  const cwd = t.testdir({
    'a-file': '',
    'policy.ts': `export default {
      upstreams: {
        '7up': 'http://canary',
        a: 'canary',
        b: 'http://canary/path',
        c: {},
        d: { url: 'http://canary', directory: '.' },
        e: { directory: 'canary' },
        f: { directory: 'a-file' },
        g: { directory: '.', index: 'canary' },
        h: { url: 'http://canary', timeout: '9' },
        i: { url: 'http://canary', caFile: 'a-file' },
        j: { url: 'https://canary', caFile: 'a-file' },
        k: { url: 'http://canary', token: 'canary canary' },
        l: null
      },
      routes: [{ path: '/x', access: 'public', upstream: 'z' }, { path: '/y', access: 'public', upstream: 7 }]
    }`
  })
  const problems = await problemsFrom(loadPolicy({ path: join(cwd, 'policy.ts'), named: true }))
  isEach(
    t,
    problems.map((problem) => problem.slice(join(cwd, 'policy.ts: ').length)),
    [
      /^routes\[1\]\.upstream: must be the name/,
      /^upstreams\.7up: must be named with letters/,
      /^upstreams\.a: must be http/,
      /^upstreams\.b: must be http/,
      /^upstreams\.c: .* either url or directory/,
      /^upstreams\.d: .* either url or directory/,
      /^upstreams\.e\.directory: the folder cannot be read \(ENOENT\)/,
      /^upstreams\.f\.directory: is no folder/,
      /^upstreams\.g\.index: is not known/,
      /^upstreams\.h\.timeout: must be a number/,
      /^upstreams\.i\.caFile: has no use unless url is https/,
      /^upstreams\.j\.caFile: the file holds no certificate/,
      /^upstreams\.k\.token: must be visible ASCII/,
      /^upstreams\.l: must be an address/
    ]
  )
  t.notMatch(problems.join('\n'), /canary/)
})

t.test('a rule names an upstream that is there, and two rules name the same one for the same requests', async (t) => {
  const cwd = t.testdir({
    'gatehouse.config.ts': `export default {
      upstreams: { site: { directory: '.' } },
      routes: [
        { path: '/a/:x', access: 'public', upstream: 'site' },
        { path: '/a/:y', access: 'public' },
        { path: '/b', access: 'public', upstream: 'toString' }
      ]
    }`
  })
  const named = await gatehouse(['routes'], cwd)
  t.equal(named.status, 2)
  t.match(named.stderr, /routes\[2\]\.upstream: "toString" is not among the upstreams/)
  const twice = t.testdir({
    'gatehouse.config.ts': `export default {
      upstreams: { site: { directory: '.' } },
      routes: [{ path: '/a/:x', access: 'public', upstream: 'site' }, { path: '/a/:y', access: 'public' }]
    }`
  })
  const { status, stderr } = await gatehouse(['routes'], twice)
  t.equal(status, 2)
  t.match(stderr, /"\/a\/:x" and "\/a\/:y" say different things about the same requests \(public on site; public\)/)
})

t.test('defineConfig lets no rule name an upstream that is not there', async (t) => {
  defineConfig({
    upstreams: { site: 'http://127.0.0.1:1' },
    routes: [{ path: '/', access: 'public', upstream: 'site' }]
  })
  const typed: Parameters<typeof defineConfig<'site'>>[0] = {
    upstreams: { site: 'http://127.0.0.1:1' },
    routes: [{ path: '/', access: 'public', upstream: 'site' }]
  }
  // @ts-expect-error: the compiler is what is tested
  defineConfig({ ...typed, routes: [{ path: '/', access: 'public', upstream: 'sight' }] })
  t.pass()
})

t.test('routes, explain and check name the upstreams', async (t) => {
  const cwd = t.testdir({
    site: {},
    'gatehouse.config.ts': `export default {
      upstreams: { site: { directory: 'site' }, dead: 'http://127.0.0.1:1' },
      routes: [
        { path: '/members/*', access: 'session', upstream: 'site' },
        { path: '/hello', access: 'public' }
      ]
    }`
  })
  const routes = await gatehouse(['routes'], cwd)
  t.match(routes.stdout, /^session +any +\/members\/\* +-> site +whoever is signed in$/m)
  t.match(routes.stdout, /^public +any +\/hello +everybody; nobody is told who asks$/m)
  const asked = await gatehouse(['routes', '--json'], cwd)
  t.match(JSON.parse(asked.stdout), [{}, {}, { path: '/hello' }, { path: '/members/*', upstream: 'site' }])
  t.match((await gatehouse(['explain', 'GET', '/members/x'], cwd)).stdout, /^goes to site$/m)
  const { status, stdout } = await gatehouse(['check'], cwd, { UPSTREAM_URL: 'http://127.0.0.1:1' })
  t.equal(status, 1)
  t.match(stdout, /^FAIL {2}upstream: cannot be reached \(Error ECONNREFUSED\): is FastAPI running/m)
  t.match(stdout, /^FAIL {2}upstreams\.dead: cannot be reached \(Error ECONNREFUSED\)/m)
  t.match(stdout, /^ok {4}upstreams\.site: is a folder that can be read$/m)
})
