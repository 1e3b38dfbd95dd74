import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { compileRules } from '../../proxy/route-policy.ts'
import { loadPolicy } from '../../src/policy-file.ts'
import { reservedPaths } from '../../src/settings.ts'
import { blocksOf, pages, root } from './documents.ts'

const blocks = pages.flatMap(blocksOf)

t.test('every policy that is shown can be used', async (t) => {
  const policies = blocks.filter(({ text }) => text.includes('export default defineConfig('))
  t.ok(policies.length >= 3)
  const folder = t.testdir()
  for (const [index, { page, text }] of policies.entries()) {
    const path = join(folder, `${index}`, 'gatehouse.config.ts')
    await mkdir(join(folder, `${index}`))
    await writeFile(path, text.replace("'./src/policy-file.ts'", `'${join(root, 'src/policy-file.ts')}'`))
    const { routes } = await loadPolicy({ path, named: true })
    const { problems } = compileRules(routes, reservedPaths({ pages: true, publicHealthPath: undefined }))
    t.same(problems, [], `${page}: policy ${index + 1}`)
  }
})

t.test('Python that is shown is that of the example', async (t) => {
  const example = ['identity.py', 'main.py'].map((name) => readFile(join(root, 'examples/fastapi', name), 'utf8'))
  const code = (await Promise.all(example)).join('\n')
  // What reproduces a library's fault is no part of the example.
  const elsewhere = (page: string) => page.startsWith('examples/') || page === 'docs/upstream-notes.md'
  const shown = blocks.filter(({ language, page }) => language === 'python' && !elsewhere(page))
  t.ok(shown.length >= 3)
  for (const { page, text } of shown) t.ok(code.includes(text), `${page}: ${text.split('\n')[0]}`)
})
