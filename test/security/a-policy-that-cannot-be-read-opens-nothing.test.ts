import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findPolicy } from '../../src/config/find-policy.ts'
import { gatehouse } from '../src/gatehouse.ts'
import { isEach, problemsFrom } from '../src/problems.ts'

const rule = 'gatehouse.routes = [{ path = "/admin/*", access = "deny" }]\n'

const broken: readonly (readonly [what: string, text: string | Buffer, line: number])[] = [
  ['is not closed', `[tool]\n${rule}x = [`, 3],
  ['has its table in quotes', '[tool."gatehouse"]\nroutes = [', 2],
  ['has a key twice, far from the policy', `[project]\nname = "a"\nname = "b"\n[tool]\n${rule}`, 3],
  ['is not UTF-8', Buffer.from(`# caf\u00e9\n[tool]\n${rule}`, 'latin1'), 1]
]

for (const [what, text, line] of broken)
  t.test(`a pyproject.toml that ${what} is told, and nothing starts`, async (t) => {
    const cwd = t.testdir()
    const path = join(cwd, 'pyproject.toml')
    writeFileSync(path, text)
    const problems = await problemsFrom(findPolicy({}, cwd))
    t.equal(problems.length, 1)
    t.ok(problems[0]?.startsWith(`${path}:${line}: `), problems.join())
    const { status, stdout, stderr } = await gatehouse(['routes'], cwd)
    t.same([status, stdout], [2, ''])
    t.ok(stderr.startsWith(`${path}:${line}: `), stderr)
  })

t.test('each spelling of a table that TOML has is found, and what is no table is told', async (t) => {
  for (const text of [`[tool]\n${rule}`, '[tool."gatehouse"]\n', '["tool".\'gatehouse\']\n', `tool.${rule}`]) {
    const cwd = t.testdir({ 'pyproject.toml': text })
    t.same(await findPolicy({}, cwd), { path: join(cwd, 'pyproject.toml'), named: false }, text)
  }
  for (const text of ['[tool]\ngatehouse = 5\n', '[[tool.gatehouse]]\n', `[[tool]]\n${rule}`]) {
    const { status, stderr } = await gatehouse(['routes'], t.testdir({ 'pyproject.toml': text }))
    t.equal(status, 2, text)
    t.match(stderr, /pyproject\.toml:\d+: has no \[tool\.gatehouse\]/)
  }
})

t.test('a policy that is there and cannot be reached is not taken for none', async (t) => {
  const cwd = t.testdir({
    dangling: { 'gatehouse.toml': t.fixture('symlink', 'nowhere.toml') },
    looping: { 'gatehouse.config.ts': t.fixture('symlink', 'gatehouse.config.ts') },
    project: { 'pyproject.toml': t.fixture('symlink', 'nowhere.toml') },
    folder: { 'pyproject.toml': {} },
    file: 'not a folder'
  })
  symlinkSync('nowhere', join(cwd, 'link'))
  mkdirSync(join(cwd, 'empty'))
  const at = (folder: string) => problemsFrom(findPolicy({}, join(cwd, folder)))
  isEach(t, await at('dangling'), [/gatehouse\.toml: cannot be read \(ENOENT\), and might be the policy/])
  isEach(t, await at('looping'), [/gatehouse\.config\.ts: cannot be read \(ELOOP\)/])
  isEach(t, await at('project'), [/pyproject\.toml: cannot be read \(ENOENT\)/])
  isEach(t, await at('folder'), [/pyproject\.toml: cannot be read \(EISDIR\)/])
  const inFolder = (folder: string) => problemsFrom(findPolicy({ GATEHOUSE_POLICY_FOLDER: join(cwd, folder) }, cwd))
  isEach(t, await inFolder('file'), [/gatehouse\.toml: cannot be read \(ENOTDIR\)/])
  isEach(t, await inFolder('link'), [/link: cannot be read \(ENOENT\)/])
  isEach(t, await inFolder('dangling'), [/gatehouse\.toml: cannot be read \(ENOENT\)/])
  isEach(t, await inFolder('empty'), [])
  const { status, stderr } = await gatehouse(['check'], join(cwd, 'dangling'))
  t.equal(status, 2)
  t.match(stderr, /gatehouse\.toml: cannot be read/)
})
