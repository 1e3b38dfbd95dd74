import { join } from 'node:path'
import t from 'tap'
import { readConfig } from '../../src/config/environment.ts'
import { isEach, problemsOf } from './problems.ts'

const secret = 'an-entirely-harmless-secret-of-36-ch'
const production = {
  BETTER_AUTH_URL: 'https://app.example.com',
  BETTER_AUTH_SECRET: secret,
  DATABASE_URL: 'postgres://gatehouse:pw@db.internal/gatehouse'
}

t.test('an empty environment is a configuration for one machine', async (t) => {
  const config = readConfig({ PORT: '' }, '/srv/app')
  t.match(config, {
    host: '127.0.0.1',
    port: 8080,
    adminHost: '127.0.0.1',
    adminPort: 9090,
    dataDir: '/srv/app/.data',
    upstream: { url: 'http://127.0.0.1:8000' },
    database: { driver: 'pglite' },
    session: { cacheTtlMs: 10_000, cacheMax: 10_000, events: 'auto', staleIfErrorMs: 0 },
    maxBodyBytes: 100 * 1024 * 1024,
    maxAuthBodyBytes: 64 * 1024,
    upstreamTimeoutMs: 60_000,
    clientTimeoutMs: 30_000,
    drainDelayMs: 5_000,
    drainTimeoutMs: 15_000,
    publicSignUp: true,
    pages: true,
    logLevel: 'info',
    workers: 1,
    production: false
  })
  t.equal(config.publicUrl, undefined)
  t.equal(config.secret, undefined)
  t.same(config.warnings, [])
})

t.test('a configuration cannot be changed, however deep', async (t) => {
  const config = readConfig({ TRUSTED_PROXIES: 'loopback' }, '/')
  t.ok(Object.isFrozen(config))
  t.ok(Object.isFrozen(config.session))
  t.ok(Object.isFrozen(config.trustedProxies))
})

t.test('what is given is read', async (t) => {
  const config = readConfig(
    {
      ...production,
      BETTER_AUTH_URL: 'https://App.Example.com:443/',
      HOST: '::',
      PORT: '0',
      PUBLIC_HEALTH_PATH: '/-/health',
      UPSTREAM_URL: 'unix:/run/app.sock',
      TRUSTED_ORIGINS: 'https://docs.example.com, https://app.example.com:8443/',
      ALLOWED_HOSTS: 'Internal.example:8080,[::1]:80,gateway',
      TRUSTED_PROXIES: 'loopback, 192.0.2.7,2001:db8::/32,private',
      SESSION_CACHE_TTL: '0.5',
      SESSION_EVENTS: 'off',
      WORKERS: '1',
      PAGES: 'false',
      GATEHOUSE_CONFIG: 'policy.ts'
    },
    '/srv'
  )
  t.match(config, {
    publicUrl: 'https://app.example.com',
    host: '::',
    port: 0,
    publicHealthPath: '/-/health',
    upstream: { url: 'unix:/run/app.sock' },
    trustedOrigins: ['https://docs.example.com', 'https://app.example.com:8443'],
    allowedHosts: ['internal.example:8080', '[::1]:80', 'gateway'],
    session: { cacheTtlMs: 500, events: 'off' },
    pages: false,
    production: true
  })
  t.same(config.trustedProxies.slice(0, 4), ['127.0.0.0/8', '::1/128', '192.0.2.7', '2001:db8::/32'])
  for (const range of ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'])
    t.ok(config.trustedProxies.includes(range), range)
})

const bad: readonly (readonly [name: string, value: string, others?: Record<string, string>])[] = [
  ['HOST', 'canary:80'],
  ['HOST', 'http://canary'],
  ['PORT', '8080canary'],
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['PORT', '80.5'],
  ['ADMIN_HOST', 'canary canary'],
  ['ADMIN_PORT', '0x50'],
  ['ADMIN_PORT', '8080'],
  ['PUBLIC_HEALTH_PATH', 'canary'],
  ['PUBLIC_HEALTH_PATH', '/canary/*'],
  ['PUBLIC_HEALTH_PATH', '/canary/../x'],
  ['PUBLIC_HEALTH_PATH', '/:canary'],
  ['PUBLIC_HEALTH_PATH', '/canary?x'],
  ['DATA_DIR', '/canary\0'],
  ['UPSTREAM_URL', 'canary:8000'],
  ['UPSTREAM_URL', 'ftp://canary'],
  ['UPSTREAM_URL', 'http://127.0.0.1:8000/canary'],
  ['UPSTREAM_URL', 'http://canary:canary@127.0.0.1:8000'],
  ['UPSTREAM_URL', 'http://127.0.0.1:8000/?canary'],
  ['UPSTREAM_URL', 'unix:canary.sock'],
  ['UPSTREAM_CA_FILE', '/canary/ca.pem', { UPSTREAM_URL: 'https://app.internal' }],
  ['UPSTREAM_CA_FILE', '/canary/ca.pem'],
  ['UPSTREAM_TOKEN', 'canary\r\nX-User-Id: 1'],
  ['UPSTREAM_TOKEN', 'canary canary'],
  ['DATABASE_URL', 'mysql://canary:canary@db/x'],
  ['DATABASE_URL', 'postgres://u:canary#canary@db/x'],
  ['DATABASE_URL', 'canary'],
  ['DATABASE_URL', 'postgres://u:canary@db/x', { DATABASE_DRIVER: 'pglite' }],
  ['DATABASE_DRIVER', 'canary'],
  ['DATABASE_URL_UNPOOLED', 'canary', { DATABASE_URL: 'postgres://db/x' }],
  ['DATABASE_URL_UNPOOLED', 'postgres://canary@db/x'],
  [
    'DATABASE_URL_UNPOOLED',
    'postgres://u:canary@ep-canary-pooler.eu-central-1.aws.neon.tech/x',
    { DATABASE_URL: 'postgres://u:p@ep-a-1-pooler.eu-central-1.aws.neon.tech/x' }
  ],
  ['DATABASE_SCHEMA', 'Canary'],
  ['DATABASE_SCHEMA', 'canary"; drop schema public'],
  ['DATABASE_SCHEMA', 'canary.user'],
  ['DATABASE_SCHEMA', '7canary'],
  ['DATABASE_SCHEMA', 'canary'.repeat(9)],
  ['DATABASE_SCHEMA', 'pg_canary'],
  ['DATABASE_SCHEMA', 'information_schema'],
  ['DATABASE_SCHEMA', 'drizzle'],
  ['NEON_WS_PROXY', 'canary', { DATABASE_DRIVER: 'neon', DATABASE_URL: 'postgres://db/x' }],
  ['NEON_WS_PROXY', 'ws://canary:1', { DATABASE_DRIVER: 'neon', DATABASE_URL: 'postgres://db/x' }],
  ['NEON_WS_PROXY', 'canary:80', { DATABASE_URL: 'postgres://db/x' }],
  ['BETTER_AUTH_URL', 'http://localhost:8080/canary'],
  ['BETTER_AUTH_URL', 'http://canary@localhost'],
  ['BETTER_AUTH_URL', 'http://localhost/?canary'],
  ['BETTER_AUTH_URL', 'localhost:8080'],
  ['BETTER_AUTH_SECRET', 'canary-canary-canary-canary-can'],
  ['BETTER_AUTH_SECRET_PREVIOUS', 'canary-canary-canary-canary-can'],
  ['BETTER_AUTH_SECRET_PREVIOUS', 'canary'.repeat(6), { BETTER_AUTH_SECRET: 'canary'.repeat(6) }],
  ['TRUSTED_ORIGINS', 'http://localhost:3000,canary'],
  ['TRUSTED_ORIGINS', 'http://*.localhost'],
  ['TRUSTED_ORIGINS', 'http://localhost:3000/canary'],
  ['TRUSTED_ORIGINS', 'http://canary@localhost:3000'],
  ['TRUSTED_ORIGINS', 'http://canary.example'],
  ['TRUSTED_ORIGINS', 'null'],
  ['ALLOWED_HOSTS', 'http://canary'],
  ['ALLOWED_HOSTS', 'canary,,canary'],
  ['ALLOWED_HOSTS', 'canary:99999'],
  ['ALLOWED_HOSTS', '*.canary'],
  ['TRUSTED_PROXIES', 'canary'],
  ['TRUSTED_PROXIES', '10.0.0.0/33'],
  ['TRUSTED_PROXIES', '10.0.0/8'],
  ['TRUSTED_PROXIES', '::1/129'],
  ['TRUSTED_PROXIES', 'constructor'],
  ['SESSION_CACHE_TTL', '-1'],
  ['SESSION_CACHE_TTL', '10s'],
  ['SESSION_CACHE_TTL', '86401'],
  ['SESSION_CACHE_MAX', '0'],
  ['SESSION_EVENTS', 'canary'],
  ['SESSION_STALE_IF_ERROR', '1e3'],
  ['MAX_BODY_BYTES', '100MB-canary'],
  ['MAX_BODY_BYTES', '9999999999999999'],
  ['MAX_AUTH_BODY_BYTES', '64KB-canary'],
  ['MAX_AUTH_BODY_BYTES', '0'],
  ['MAX_AUTH_BODY_BYTES', '999999999999'],
  ['UPSTREAM_TIMEOUT', '0'],
  ['CLIENT_TIMEOUT', 'canary'],
  ['DRAIN_DELAY', '-0.5'],
  ['DRAIN_TIMEOUT', 'Infinity'],
  ['PUBLIC_SIGN_UP', 'False'],
  ['PAGES', 'yes-canary'],
  ['LOG_LEVEL', 'canary'],
  ['WORKERS', '0'],
  ['WORKERS', '2'],
  ['WORKERS', 'auto'],
  ['GATEHOUSE_CONFIG', '/canary\0'],
  ['BETTER_AUTH_TRUSTED_ORIGINS', 'https://canary.example'],
  ['BETTER_AUTH_URL_FILE', '/canary'],
  ['BETTER_AUTH_SECRET_FILE', '/canary/secret'],
  ['UPSTREAM_TOKEN_FILE', '/canary/secret']
]

for (const [name, value, others] of bad) {
  t.test(`${name}=${JSON.stringify(value)} is one problem, which names it and does not repeat it`, async (t) => {
    const problems = problemsOf({ ...others, [name]: value })
    t.equal(problems.length, 1, problems.join('\n'))
    const [problem = ''] = problems
    t.ok(problem.startsWith(`${name}: `), problem)
    t.notMatch(problem, /canary|\n/)
  })
}

t.test('every problem is reported at once, those between variables too', async (t) => {
  const problems = problemsOf({
    NODE_ENV: 'production',
    HOST: 'not a host',
    PORT: 'canary',
    PAGES: 'canary',
    TRUSTED_ORIGINS: 'https://a.example.com',
    BETTER_AUTH_URL: 'https://other.example',
    BETTER_AUTH_TELEMETRY: '1',
    UPSTREAM_TOKEN: 'canary',
    UPSTREAM_TOKEN_FILE: '/canary',
    DATABASE_DRIVER: 'pg',
    NEON_WS_PROXY: 'canary:1',
    WORKERS: 'canary'
  })
  const names = problems.map((problem) => problem.split(':')[0])
  t.same(names.sort(), [
    'BETTER_AUTH_SECRET',
    'BETTER_AUTH_TELEMETRY',
    'DATABASE_URL',
    'HOST',
    'NEON_WS_PROXY',
    'PAGES',
    'PORT',
    'TRUSTED_ORIGINS',
    'UPSTREAM_TOKEN_FILE',
    'WORKERS'
  ])
  t.notMatch(problems.join('\n'), /canary/)
})

t.test('a trusted origin shares the registrable domain of the public one', async (t) => {
  const at = (publicUrl: string, trusted: string) =>
    problemsOf({ ...production, BETTER_AUTH_URL: publicUrl, TRUSTED_ORIGINS: trusted })
  t.same(at('https://example.com', 'https://docs.example.com'), [])
  t.same(at('https://app.example.com', 'https://example.com'), [])
  t.same(at('https://app.example.com', 'https://docs.example.com'), [])
  t.same(at('https://app.example.co.uk', 'https://docs.example.co.uk'), [])
  t.same(at('https://192.0.2.1', 'https://192.0.2.1:8443'), [])
  isEach(t, at('https://example.com', 'https://example.org'), [/registrable domain/])
  isEach(t, at('https://example.com', 'https://badexample.com'), [/registrable domain/])
  isEach(t, at('https://one.co.uk', 'https://two.co.uk'), [/registrable domain/])
  isEach(t, at('https://192.0.2.1', 'https://198.51.2.1'), [/registrable domain/])
  t.same(at('https://a.github.io', 'https://docs.a.github.io'), [])
  isEach(t, at('https://a.github.io', 'https://b.github.io'), [/registrable domain/])
  isEach(t, at('https://b.github.io', 'https://a.github.io'), [/registrable domain/])
  isEach(t, at('https://github.io', 'https://a.github.io'), [/registrable domain/])
  isEach(t, at('https://example.com', 'http://docs.example.com'), [/must be https/])
  isEach(t, at('https://example.com', 'http://localhost:3000'), [/registrable domain/, /must be https/])
})

t.test('the two listeners do not share a port', async (t) => {
  isEach(t, problemsOf({ PORT: '9090' }), [/^ADMIN_PORT: /])
  isEach(t, problemsOf({ PORT: '9090', HOST: '0.0.0.0' }), [/^ADMIN_PORT: /])
  t.same(problemsOf({ PORT: '0', ADMIN_PORT: '0' }), [])
  t.same(problemsOf({ PORT: '9090', HOST: '127.0.0.2' }), [])
})

t.test('the address of the database chooses its driver, and DATABASE_DRIVER overrides it', async (t) => {
  const driver = (env: Record<string, string>) => readConfig(env, '/').database.driver
  t.equal(driver({ DATABASE_URL: 'postgresql://u:p@db.internal:5432/x' }), 'pg')
  t.equal(driver({ DATABASE_URL: 'postgres://u:p@ep-a-1.eu-central-1.aws.neon.tech/x' }), 'neon')
  t.equal(driver({ DATABASE_URL: 'postgres://u:p@neon.tech.example/x' }), 'pg')
  t.equal(driver({ DATABASE_URL: 'postgres://u:p@localhost/x', DATABASE_DRIVER: 'neon', NEON_WS_PROXY: 'a:1' }), 'neon')
})

t.test('several workers need a database that several processes can use', async (t) => {
  const at = (env: Record<string, string>) => problemsOf({ DATABASE_URL: 'postgres://db/x', ...env })
  for (const workers of ['4', 'auto']) {
    t.same(at({ WORKERS: workers }), [])
    t.match(problemsOf({ WORKERS: workers }), [/^WORKERS: must be 1 with the embedded database/])
  }
})

t.test("Neon's pooled address is warned about, and cannot listen", async (t) => {
  const pooled = { DATABASE_URL: 'postgres://u:p@ep-a-1-pooler.eu-central-1.aws.neon.tech/x' }
  t.match(readConfig(pooled, '/').warnings, [/DATABASE_URL_UNPOOLED/])
  isEach(t, problemsOf({ ...pooled, SESSION_EVENTS: 'listen' }), [/^SESSION_EVENTS: .*DATABASE_URL_UNPOOLED/])
  const both = { ...pooled, DATABASE_URL_UNPOOLED: 'postgres://u:p@ep-a-1.eu-central-1.aws.neon.tech/x' }
  t.same(readConfig({ ...both, SESSION_EVENTS: 'listen' }, '/').warnings, [])
})

t.test('believing every peer is warned about', async (t) => {
  t.match(readConfig({ TRUSTED_PROXIES: '0.0.0.0/0' }, '/').warnings, [/TRUSTED_PROXIES/])
})

t.test('a secret may come from a file, without its last newline', async (t) => {
  const dir = t.testdir({ secret: `${secret}\n`, url: 'postgres://db/x\r\n', short: 'canary', empty: '\n' })
  const config = readConfig({ BETTER_AUTH_SECRET_FILE: 'secret', DATABASE_URL_FILE: join(dir, 'url') }, dir)
  t.equal(config.secret, secret)
  t.equal(config.database.url, 'postgres://db/x')
  t.equal(config.database.driver, 'pg')

  isEach(t, problemsOf({ BETTER_AUTH_SECRET_FILE: 'short' }, dir), [/^BETTER_AUTH_SECRET: must be at least 32/])
  isEach(t, problemsOf({ BETTER_AUTH_SECRET_FILE: 'empty' }, dir), [/^BETTER_AUTH_SECRET_FILE: the file is empty/])
  isEach(t, problemsOf({ BETTER_AUTH_SECRET_FILE: 'none' }, dir), [/^BETTER_AUTH_SECRET_FILE: .*ENOENT/])
  isEach(t, problemsOf({ BETTER_AUTH_SECRET_FILE: 'secret', BETTER_AUTH_SECRET: secret }, dir), [
    /^BETTER_AUTH_SECRET_FILE: is given together with BETTER_AUTH_SECRET/
  ])
})

t.test('a file that is no certificate is not taken for a CA', async (t) => {
  const dir = t.testdir({ 'ca.pem': 'canary' })
  isEach(t, problemsOf({ UPSTREAM_URL: 'https://app.internal', UPSTREAM_CA_FILE: 'ca.pem' }, dir), [
    /^UPSTREAM_CA_FILE: the file holds no certificate/
  ])
})
