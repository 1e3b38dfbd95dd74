import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { loadOrCreateSecret } from '../../src/config/generated-secret.ts'
import { isEach, problemsFrom } from './problems.ts'

const module = new URL('../../src/config/generated-secret.ts', import.meta.url).href

t.test('a secret is made once, and only its owner can read it', async (t) => {
  const dir = join(t.testdir(), 'new', 'data')
  const secret = await loadOrCreateSecret(dir)
  t.match(secret, /^[\w-]{43}$/)
  t.equal(await loadOrCreateSecret(dir), secret)
  t.equal(statSync(join(dir, 'secret')).mode & 0o777, 0o600)
  t.equal(statSync(dir).mode & 0o777, 0o700)
  t.same(readdirSync(dir), ['secret'])
})

t.test('two gateways do not share a made secret', async (t) => {
  const dir = t.testdir({ a: {}, b: {} })
  t.not(await loadOrCreateSecret(join(dir, 'a')), await loadOrCreateSecret(join(dir, 'b')))
})

t.test('processes that start at once agree on one secret', async (t) => {
  const dir = join(t.testdir(), 'data')
  const script = `import { loadOrCreateSecret } from ${JSON.stringify(module)}
    process.stdin.once('data', async () => {
      const all = await Promise.all(Array.from({ length: 5 }, () => loadOrCreateSecret(${JSON.stringify(dir)})))
      process.stdout.write(JSON.stringify(all))
      process.exit()
    })
    process.stderr.write('ready')`
  const children = Array.from({ length: 3 }, () => spawn(process.execPath, ['--input-type=module', '-e', script]))
  await Promise.all(children.map((child) => once(child.stderr, 'data')))
  for (const child of children) child.stdin.write('go\n')
  const answers = await Promise.all(children.map((child) => text(child.stdout)))
  const secrets = new Set(answers.flatMap((answer): string[] => JSON.parse(answer)))
  t.equal(secrets.size, 1)
  t.same(readdirSync(dir), ['secret'])
})

t.test('a secret that others can read is refused', async (t) => {
  const dir = t.testdir()
  await loadOrCreateSecret(dir)
  chmodSync(join(dir, 'secret'), 0o640)
  isEach(t, await problemsFrom(loadOrCreateSecret(dir)), [/^DATA_DIR: .*can be read by others/])
})

t.test('a secret that is too short is refused, and not repeated', async (t) => {
  const dir = t.testdir()
  writeFileSync(join(dir, 'secret'), 'canary\n', { mode: 0o600 })
  const [problem = ''] = await problemsFrom(loadOrCreateSecret(dir))
  t.match(problem, /^DATA_DIR: .*fewer than 32 characters/)
  t.notMatch(problem, /canary/)
  t.equal(readFileSync(join(dir, 'secret'), 'utf8'), 'canary\n')
})

t.test('a data directory that cannot be one is a sentence', async (t) => {
  const dir = t.testdir({ file: '' })
  isEach(t, await problemsFrom(loadOrCreateSecret(join(dir, 'file'))), [/^DATA_DIR: .*\((ENOTDIR|EEXIST)\)/])
  symlinkSync('nowhere', join(dir, 'secret'))
  isEach(t, await problemsFrom(loadOrCreateSecret(dir)), [/^DATA_DIR: /])
})
