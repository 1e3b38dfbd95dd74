import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import t from 'tap'
import { readConfig } from '../../src/config/environment.ts'
import { isEach, problemsOf } from './problems.ts'

const required = {
  BETTER_AUTH_URL: 'https://app.example.com',
  BETTER_AUTH_SECRET: 'canary-canary-canary-canary-canary-canary',
  DATABASE_URL: 'postgres://canary:canary@127.0.0.1:1/canary'
}
const names = ['BETTER_AUTH_URL', 'BETTER_AUTH_SECRET', 'DATABASE_URL'] as const

function without(...missing: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(required).filter(([name]) => !missing.includes(name)))
}

function start(env: Record<string, string>) {
  const cwd = t.testdir()
  return spawnSync(process.execPath, [resolve('src/gatehouse.js'), 'start'], {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 120_000
  })
}

for (const name of names) {
  t.test(`a production gateway without ${name} never starts, and says so`, async (t) => {
    const { status, stdout, stderr } = start({ ...without(name), NODE_ENV: 'production' })
    t.equal(status, 2)
    t.equal(stdout, '')
    t.match(stderr, new RegExp(`^${name}: is required in production[^\\n]*\\n$`))
    t.notMatch(stderr, /canary/)
  })
}

t.test('a production gateway without any of them names them all', async (t) => {
  const { status, stderr } = start({ NODE_ENV: 'production' })
  t.equal(status, 2)
  t.same(
    stderr
      .trim()
      .split('\n')
      .map((line) => line.split(':')[0]),
    names
  )
})

t.test('a public origin that is not this machine is production, whatever NODE_ENV says', async (t) => {
  t.equal(readConfig(required, '/').production, true)
  isEach(t, problemsOf({ BETTER_AUTH_URL: 'https://app.example.com', NODE_ENV: 'development' }), [
    /^BETTER_AUTH_SECRET: is required/,
    /^DATABASE_URL: is required/
  ])
  isEach(t, problemsOf({ BETTER_AUTH_URL: 'https://app.example.com/typing-error' }), [
    /^BETTER_AUTH_URL: must be an origin/,
    /^BETTER_AUTH_SECRET: is required/,
    /^DATABASE_URL: is required/
  ])
})

t.test('names of this machine are not production', async (t) => {
  for (const host of ['localhost', 'app.localhost', '127.0.0.1:8080', '127.9.9.9', '[::1]:8080'])
    t.equal(readConfig({ BETTER_AUTH_URL: `http://${host}` }, '/').production, false, host)
  for (const host of ['localhost.example', '127.0.0.1.example', '128.0.0.1', '[::2]'])
    t.match(problemsOf({ BETTER_AUTH_URL: `http://${host}` })[0], /^BETTER_AUTH_URL: must be https/, host)
})

t.test('production speaks https, but for an origin on this machine', async (t) => {
  isEach(t, problemsOf({ ...required, BETTER_AUTH_URL: 'http://app.example.com' }), [/^BETTER_AUTH_URL: must be https/])
  t.same(problemsOf({ ...required, BETTER_AUTH_URL: 'http://localhost:8080', NODE_ENV: 'production' }), [])
})

t.test('production uses the embedded database only when it is asked for by name', async (t) => {
  t.same(problemsOf({ ...without('DATABASE_URL'), DATABASE_DRIVER: 'pglite' }), [])
  isEach(t, problemsOf(without('DATABASE_URL')), [/^DATABASE_URL: .*DATABASE_DRIVER=pglite/])
})
