import t from 'tap'
import { gatehouse, listening } from './gatehouse.ts'

const nowhere = 'postgres://canary:canary@127.0.0.1:1/canary'
const pooled = 'postgres://canary:canary@ep-a-1-pooler.eu-central-1.aws.neon.tech/canary'

t.test('migrate says what it applied, and nothing the second time', async (t) => {
  const cwd = t.testdir()
  const first = await gatehouse(['migrate'], cwd)
  t.equal(first.status, 0)
  t.match(first.stdout, /^applied /)
  const second = await gatehouse(['migrate'], cwd)
  t.equal(second.status, 0)
  t.match(second.stdout, /^up to date/)
})

t.test('migrate fails in a sentence', async (t) => {
  const cwd = t.testdir({ file: '' })
  const silent = await gatehouse(['migrate'], cwd, { DATABASE_URL: nowhere })
  t.equal(silent.status, 1)
  t.match(silent.stderr, /^the database cannot be reached \(.*ECONNREFUSED.*\)\n$/)

  const pooler = await gatehouse(['migrate'], cwd, { DATABASE_URL: pooled })
  t.equal(pooler.status, 2)
  t.match(pooler.stderr, /^[^\n]*DATABASE_URL_UNPOOLED[^\n]*\n$/)

  const file = await gatehouse(['migrate'], cwd, { DATA_DIR: 'file' })
  t.equal(file.status, 2)
  t.match(file.stderr, /^[^\n]*DATA_DIR[^\n]*\n$/)

  t.notMatch([silent, pooler, file].map(({ stderr }) => stderr).join(), /canary/)
})

t.test('check reports each part in a line, and fails when one of them does', async (t) => {
  const cwd = t.testdir()
  const upstream = await listening(t)

  const good = await gatehouse(['check'], cwd, { UPSTREAM_URL: `http://127.0.0.1:${upstream}` })
  t.equal(good.status, 0, good.stdout)
  for (const part of ['configuration', 'policy', 'database', 'clock', 'migrations', 'upstream', 'cookies'])
    t.match(good.stdout, new RegExp(`^ok {4}${part}: `, 'm'))

  const bad = await gatehouse(['check'], cwd, { DATABASE_URL: nowhere, UPSTREAM_URL: 'http://127.0.0.1:1' })
  t.equal(bad.status, 1)
  t.match(bad.stdout, /^FAIL {2}database: .*ECONNREFUSED/m)
  t.match(bad.stdout, /^FAIL {2}upstream: .*ECONNREFUSED/m)
  t.notMatch(bad.stdout + bad.stderr, /canary/)
})

t.test('an upstream that accepts but speaks no TLS fails an https check', async (t) => {
  const port = await listening(t)
  const { status, stdout } = await gatehouse(['check'], t.testdir(), { UPSTREAM_URL: `https://127.0.0.1:${port}` })
  t.equal(status, 1)
  t.match(stdout, /^FAIL {2}upstream: /m)
})

t.test('check says what cookies need that are for https', async (t) => {
  const port = await listening(t)
  const env = {
    BETTER_AUTH_URL: 'https://app.example.com',
    BETTER_AUTH_SECRET: 'canary-canary-canary-canary-canary-1',
    DATABASE_DRIVER: 'pglite',
    UPSTREAM_URL: `http://127.0.0.1:${port}`
  }
  const cwd = t.testdir()
  const alone = await gatehouse(['check'], cwd, env)
  t.equal(alone.status, 0, 'a warning is no failure')
  t.match(alone.stdout, /^ok {4}cookies: Secure/m)
  t.match(alone.stdout, /^warn {2}proxies: .*TRUSTED_PROXIES/m)
  t.notMatch(alone.stdout, 'canary')
  const proxied = await gatehouse(['check'], cwd, { ...env, TRUSTED_PROXIES: 'loopback' })
  t.notMatch(proxied.stdout, /^warn {2}proxies/m)
})

t.test('check says which headers of clients the policy lets pass', async (t) => {
  const cwd = t.testdir({ 'gatehouse.config.ts': "export default { headers: { pass: ['X-HTTP-Method-Override'] } }" })
  const { stdout } = await gatehouse(['check'], cwd, { DATABASE_URL: nowhere, UPSTREAM_URL: 'http://127.0.0.1:1' })
  t.match(stdout, /^warn {2}configuration: headers\.pass lets clients send X-HTTP-Method-Override/m)
})
