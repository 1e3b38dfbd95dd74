import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { readConfig } from '../../src/config/environment.ts'
import { planDevelopment, splitOperands } from '../../src/dev/dev-plan.ts'
import { freePort, nextFreePort, portInUse } from '../../src/dev/ports.ts'
import { remoteDatabaseHosts } from '../../src/dev/remote-database-hosts.ts'
import { makeProject, startDev } from '../support/dev-process.ts'
import { withoutPython } from '../support/python.ts'

const skip = await withoutPython()

const given = { app: 'main:app', command: undefined, open: false, remoteDatabase: false }

function problemsOf(env: Record<string, string>, more: object = {}): string {
  try {
    planDevelopment({ ...given, ...more }, env, t.testdirName)
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

t.test('it runs for this machine alone', async (t) => {
  t.equal(problemsOf({}), '')
  t.match(problemsOf({ NODE_ENV: 'production' }), /^NODE_ENV: is production/)
  for (const url of ['https://app.example.com', 'http://192.168.1.7:8080', 'https://localhost.example.com'])
    t.match(problemsOf({ BETTER_AUTH_URL: url }), /^BETTER_AUTH_URL: is a public origin/m, url)
  for (const url of ['http://localhost:3000', 'http://127.0.0.1:8080', 'http://[::1]:8080', 'https://shop.localhost'])
    t.equal(problemsOf({ BETTER_AUTH_URL: url }), '', url)
  for (const host of ['0.0.0.0', '::', '192.168.1.7', 'localhost.example.com', 'shop.localhost', '::ffff:10.0.0.1'])
    t.match(problemsOf({ HOST: host }), /^HOST: is not a loopback address/m, host)
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1', '[::1]'])
    t.equal(problemsOf({ HOST: host }), '', host)
})

t.test('of ways to name the app there is one', async (t) => {
  t.match(problemsOf({}, { app: undefined }), /^MODULE:APP: is missing/)
  for (const app of ['main', 'main:', '-m:app', 'main:app()', 'main.py:app', '../main:app'])
    t.match(problemsOf({}, { app }), /^MODULE:APP: must be/, app)
  t.match(problemsOf({}, { upstream: 'http://127.0.0.1:8000' }), /^dev: takes one of/)
  t.match(problemsOf({}, { app: undefined, command: [] }), /^--: the command/)
  t.match(problemsOf({}, { app: undefined, upstream: 'ftp://x' }), /^--upstream: must be http/)
  t.same(splitOperands(['main:app'], ['node', 'gatehouse', 'dev', 'main:app']), { app: 'main:app', command: undefined })
  t.same(splitOperands(['flask', 'run'], ['node', 'gatehouse', 'dev', '--', 'flask', 'run']), {
    app: undefined,
    command: ['flask', 'run']
  })
  t.throws(() => splitOperands(['flask', 'run'], ['node', 'gatehouse', 'dev', 'flask', 'run']), /one is enough/)
  t.match(problemsOf({}, { port: '0' }), /^--port: must be/)
  t.match(problemsOf({}, { user: 'nobody' }), /^--user: must be an email address/)
  t.match(problemsOf({ PAGES: 'false' }, { user: 'ada@example.com' }), /^--user: needs the built-in pages/)
})

t.test('a database that is not on this machine is found, however its address is written', async (t) => {
  const hostsOf = (env: Record<string, string>) => remoteDatabaseHosts(readConfig(env, '/'), { PGHOST: env['PGHOST'] })
  const here = [
    {},
    { DATABASE_URL: 'postgres://localhost/shop' },
    { DATABASE_URL: 'postgres://ada:x@127.0.0.1:5432/shop' },
    { DATABASE_URL: 'postgres://[::1]/shop' },
    { DATABASE_URL: 'postgres:///shop' },
    { DATABASE_URL: 'postgres:///shop?host=/var/run/postgresql' }
  ]
  for (const env of here) t.same(hostsOf(env), [], JSON.stringify(env))
  const db = 'db.example.com'
  t.same(hostsOf({ DATABASE_URL: `postgres://ada:x@${db}/shop` }), [db])
  t.same(hostsOf({ DATABASE_URL: `postgres://localhost/shop?host=${db}` }), [db])
  t.same(hostsOf({ DATABASE_URL: `postgres://localhost/shop?hostaddr=10.0.0.1` }), ['10.0.0.1'])
  t.same(hostsOf({ DATABASE_URL: 'postgres:///shop', PGHOST: db }), [db])
  t.same(hostsOf({ DATABASE_URL: 'postgres://localhost/x', DATABASE_URL_UNPOOLED: `postgres://${db}/x` }), [db])
  const proxied = { DATABASE_URL: 'postgres://localhost/x', DATABASE_DRIVER: 'neon', NEON_WS_PROXY: `${db}:443` }
  t.same(hostsOf(proxied), [db])
  const remote = { DATABASE_URL: `postgres://ada:hidden@${db}/shop` }
  t.match(problemsOf(remote), /^DATABASE_URL: is on db\.example\.com, and development belongs/)
  t.notMatch(problemsOf(remote), 'hidden')
  t.equal(problemsOf(remote, { remoteDatabase: true }), '')
})

t.test('a port that is in use is passed over, in whatever IP version', async (t) => {
  for (const host of ['127.0.0.1', '::1']) {
    const port = await freePort()
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(port, host, resolve))
    t.equal(await portInUse(port), true, host)
    const next = await nextFreePort(port, 20)
    t.ok(next !== undefined && next > port && next < port + 20, host)
    t.equal(await nextFreePort(port, 1), undefined, host)
    server.close()
  }
})

t.test('the command says what is to be mended, with exit status 2', { skip, timeout: 240_000 }, async (t) => {
  const cwd = await makeProject(t)
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const taken = typeof address === 'object' && address !== null ? String(address.port) : ''
  const venv = join(cwd, 'empty')
  await mkdir(join(venv, 'bin'), { recursive: true })
  await writeFile(join(venv, 'bin/python'), '#!/bin/sh\nexec python3 -S -I "$@"\n', { mode: 0o755 })

  const cases: [args: string[], env: Record<string, string>, sentence: RegExp][] = [
    [['main:app'], { NODE_ENV: 'production' }, /NODE_ENV: is production/],
    [['main:app'], { BETTER_AUTH_URL: 'https://app.example.com' }, /BETTER_AUTH_URL: is a public origin/],
    [['main:app'], { HOST: '0.0.0.0' }, /HOST: is not a loopback address/],
    [['main:app', '--port', taken], {}, /PORT: \d+ is in use/],
    [['main:app', '--user', 'ada@example.com'], {}, /--user: prints its link on a terminal and nowhere else/],
    [['main:app'], { VIRTUAL_ENV: venv }, /uvicorn: is not installed for empty\/bin\/python/],
    [
      ['main:app', '--remote-database'],
      { DATABASE_URL: 'postgres://db.example.com/shop' },
      /--remote-database: asks first, and there is no terminal/
    ]
  ]
  for (const [args, env, sentence] of cases) {
    const dev = await startDev(t, { cwd, args, env })
    t.equal(await dev.ended, 2, String(sentence))
    t.match(dev.output(), sentence)
  }
})
