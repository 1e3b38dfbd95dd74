import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { compileRules } from '../../proxy/route-rules.ts'
import { reservedPaths } from '../../src/config/load-settings.ts'
import { loadPolicy, ownPathsOf } from '../../src/policy-file.ts'
import { testPython, withoutPython } from '../support/python.ts'
import { blocksOf, blockWith, pages, root } from './documents.ts'

const run = promisify(execFile)

const blocks = pages.flatMap(blocksOf)

t.test('every policy that is shown can be used', async (t) => {
  const policies = blocks.filter(({ text }) => text.includes('export default defineConfig('))
  t.ok(policies.length >= 3)
  const folder = t.testdir()
  for (const [index, { page, text }] of policies.entries()) {
    const path = join(folder, `${index}`, 'gatehouse.config.ts')
    await mkdir(join(folder, `${index}`))
    for (const [, directory = ''] of text.matchAll(/directory: '([^']+)'/g))
      await mkdir(join(folder, `${index}`, directory), { recursive: true })
    await writeFile(path, text.replace("'./src/policy-file.ts'", `'${join(root, 'src/policy-file.ts')}'`))
    const policy = await loadPolicy({ path, named: true })
    const reserved = reservedPaths({ pages: true, publicHealthPath: undefined }, ownPathsOf(policy))
    const { problems } = compileRules(policy.routes, reserved)
    t.same(problems, [], `${page}: policy ${index + 1}`)
  }
})

t.test('every policy that is shown passes the type checker', async (t) => {
  const policies = blocks.filter(({ language }) => language === 'ts')
  t.ok(policies.length >= 3)
  // Below node_modules' parent, so that what a policy imports is found.
  const folder = t.testdir()
  const files = await Promise.all(
    policies.map(async ({ text }, index) => {
      const path = join(folder, `${index}.ts`)
      await writeFile(path, text.replace("'./src/policy-file.ts'", `'${join(root, 'src/policy-file.ts')}'`))
      return path
    })
  )
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: join(root, 'tsconfig.json'), include: [], files })
  )
  // Without what tap adds to the environment of a test's processes: the compiler does not start under it.
  const compiler = ['-i', process.execPath, join(root, 'node_modules/.bin/tsc'), '-p', folder]
  const { stdout, stderr } = await run('env', compiler).catch((error) => error)
  const places = policies.map(({ page }, index) => `${index}.ts is from ${page}`)
  t.same([stdout, stderr], ['', ''], places.join(', '))
})

t.test('Python that is shown is that of the example', async (t) => {
  const example = ['main.py', 'test_main.py'].map((name) => readFile(join(root, 'examples/fastapi', name), 'utf8'))
  const code = (await Promise.all(example)).join('\n')
  // What reproduces a library's fault is no part of the example, nor is what other servers need, nor a whole file.
  const elsewhere = (page: string) => /^(examples|python)\//.test(page) || page === 'docs/upstream-notes.md'
  const shown = blocks.filter(
    ({ language, page, text }) =>
      language === 'python' && !elsewhere(page) && !text.includes('\nproxied = ') && !/^# \w+\.py$/m.test(text)
  )
  t.ok(shown.length >= 3)
  for (const { page, text } of shown) t.ok(code.includes(text), `${page}: ${text.split('\n')[0]}`)
})

for (const page of ['examples/fastapi/README.md', 'python/fastapi-gatehouse/README.md'])
  t.test(`the app in ${page} runs`, { skip: await withoutPython() }, async (t) => {
    const folder = t.testdir({ 'small.py': blockWith(page, 'import CurrentUser') })
    const asked = `import runpy; print(runpy.run_path('small.py')['app'].openapi()['paths']['/me']['get']['security'])`
    const { stdout } = await run(await testPython(), ['-c', asked], {
      cwd: folder,
      env: { PYTHONDONTWRITEBYTECODE: '1' }
    })
    t.equal(stdout, "[{'Gatehouse': []}]\n")
  })
