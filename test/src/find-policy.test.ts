import { join } from 'node:path'
import t from 'tap'
import { findPolicy } from '../../src/config/find-policy.ts'
import { gatehouse } from './gatehouse.ts'
import { isEach, problemsFrom } from './problems.ts'

const typescript = "export default { routes: [{ path: '/a', access: 'public' }] }"
const toml = '[[routes]]\npath = "/b"\naccess = "public"\n'
const pyproject = '[project]\nname = "app"\n\n[[tool.gatehouse.routes]]\npath = "/c"\naccess = "public"\n'
const others = '[project]\nname = "gatehouse-user"\n\n[tool.ruff]\nline-length = 100\n'

const found: readonly (readonly [name: string, files: Record<string, string>, path: string])[] = [
  ['gatehouse.config.ts', { 'gatehouse.config.ts': typescript }, 'gatehouse.config.ts'],
  ['gatehouse.config.mts', { 'gatehouse.config.mts': typescript }, 'gatehouse.config.mts'],
  ['gatehouse.config.js', { 'gatehouse.config.js': typescript }, 'gatehouse.config.js'],
  ['gatehouse.config.mjs', { 'gatehouse.config.mjs': typescript }, 'gatehouse.config.mjs'],
  ['gatehouse.toml', { 'gatehouse.toml': toml }, 'gatehouse.toml'],
  ['[tool.gatehouse]', { 'pyproject.toml': pyproject }, 'pyproject.toml'],
  ['an empty [tool.gatehouse]', { 'pyproject.toml': '[tool.gatehouse]\n' }, 'pyproject.toml'],
  ['[tool.gatehouse] after a byte order mark', { 'pyproject.toml': `\uFEFF${pyproject}` }, 'pyproject.toml'],
  ['inline tables', { 'pyproject.toml': 'tool = { gatehouse = { routes = [] } }\n' }, 'pyproject.toml'],
  [
    'one beside a pyproject.toml without a policy',
    { 'gatehouse.toml': toml, 'pyproject.toml': others },
    'gatehouse.toml'
  ],
  [
    'one beside a broken pyproject.toml that does not name the gateway',
    { 'gatehouse.toml': toml, 'pyproject.toml': '[project\nname = "app"' },
    'gatehouse.toml'
  ],
  ['nothing', { 'pyproject.toml': others }, 'gatehouse.config.ts']
]

for (const [name, files, path] of found) {
  t.test(`the policy that is found in a folder with ${name}`, async (t) => {
    const cwd = t.testdir(files)
    t.same(await findPolicy({}, cwd), { path: join(cwd, path), named: false })
  })
}

t.test('two policies are one too many, whichever they are, unless one is named', async (t) => {
  const all = {
    'gatehouse.config.ts': typescript,
    'gatehouse.config.mts': typescript,
    'gatehouse.toml': toml,
    'pyproject.toml': pyproject
  }
  const names = Object.keys(all)
  const cwd = t.testdir(
    Object.fromEntries(
      names.flatMap((one, i) =>
        names
          .slice(i + 1)
          .map((other) => [
            `${one}-${other}`,
            Object.fromEntries(Object.entries(all).filter(([name]) => name === one || name === other))
          ])
      )
    )
  )
  for (const [i, one] of names.entries())
    for (const other of names.slice(i + 1)) {
      const folder = join(cwd, `${one}-${other}`)
      const [problem = '', ...more] = await problemsFrom(findPolicy({}, folder))
      t.same(more, [])
      t.ok(problem.includes(join(folder, one)) && problem.includes(join(folder, other)), problem)
      t.same(await findPolicy({ GATEHOUSE_CONFIG: other }, folder), { path: join(folder, other), named: true })
    }
})

t.test('every command that reads a policy exits 2 at two of them', async (t) => {
  const cwd = t.testdir({ 'gatehouse.config.ts': typescript, 'gatehouse.toml': toml })
  const { status, stdout, stderr } = await gatehouse(['routes'], cwd)
  t.equal(status, 2)
  t.equal(stdout, '')
  t.match(stderr, /^there is more than one policy[^\n]*gatehouse\.config\.ts and [^\n]*gatehouse\.toml[^\n]*\n$/)
})

t.test('the image looks into its folder, and nowhere else', async (t) => {
  const cwd = t.testdir({
    app: { 'gatehouse.config.ts': typescript, 'pyproject.toml': pyproject },
    toml: { 'gatehouse.toml': toml },
    ts: { 'gatehouse.config.ts': typescript },
    both: { 'gatehouse.config.ts': typescript, 'gatehouse.toml': toml },
    none: { 'gatehouse.config.mts': typescript, 'pyproject.toml': pyproject }
  })
  const at = (folder: string, env: Record<string, string> = {}) =>
    findPolicy({ GATEHOUSE_POLICY_FOLDER: join(cwd, folder), ...env }, join(cwd, 'app'))
  t.equal((await at('toml')).path, join(cwd, 'toml/gatehouse.toml'))
  t.equal((await at('ts')).path, join(cwd, 'ts/gatehouse.config.ts'))
  isEach(t, await problemsFrom(at('both')), [/^there is more than one policy/])
  t.same(await at('none'), { path: join(cwd, 'none/gatehouse.toml'), named: false })
  t.same(await at('nowhere'), { path: join(cwd, 'nowhere/gatehouse.toml'), named: false })
  const other = { GATEHOUSE_CONFIG: join(cwd, 'app/gatehouse.config.ts') }
  isEach(t, await problemsFrom(at('toml', other)), [/^GATEHOUSE_CONFIG: must name a file in /])
  const inside = { GATEHOUSE_CONFIG: join(cwd, 'none/gatehouse.config.mts') }
  t.equal((await at('none', inside)).path, join(cwd, 'none/gatehouse.config.mts'))
})

t.test('without a policy a gateway is closed, and says so', async (t) => {
  const cwd = t.testdir()
  const { status, stdout } = await gatehouse(['check'], cwd, {
    UPSTREAM_URL: 'http://127.0.0.1:1',
    DATA_DIR: join(cwd, 'data')
  })
  t.equal(status, 1, 'the upstream is not there')
  t.match(
    stdout,
    /^warn {2}configuration: there is no policy at .*gatehouse\.config\.ts: every request needs a session/m
  )
})
