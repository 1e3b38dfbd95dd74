import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { loadSettings } from '../../src/config/load-settings.ts'
import { keysOf, spellingsOf, tomlShape } from '../../src/config/toml-schema.ts'
import { gatehouse } from '../src/gatehouse.ts'
import { blocksOf, pageOf, pages, rowsOf } from './documents.ts'

const shown = pages.flatMap(blocksOf).filter(({ language }) => language === 'toml')

t.test('every TOML policy that is shown can be used', async (t) => {
  t.ok(shown.length >= 6)
  const folder = t.testdir()
  for (const [index, { page, text }] of shown.entries()) {
    const cwd = join(folder, `${index}`)
    await mkdir(cwd)
    await writeFile(join(cwd, text.includes('[tool.gatehouse]') ? 'pyproject.toml' : 'gatehouse.toml'), text)
    const env = Object.fromEntries(
      [...text.matchAll(/_env = "(\w+)"/g)].map(([, name = '']) => [name, 'a-value-for-it'])
    )
    const { policy } = await loadSettings(env, cwd)
    t.ok(policy.routes.length > 0 || Object.keys(policy.auth).length > 0, `${page}: ${text.slice(0, 40)}`)
  }
})

t.test('the first of them is what it looks like', async (t) => {
  const [first] = shown.filter(({ page }) => page === 'docs/toml.md')
  const { stdout, status } = await gatehouse(['routes'], t.testdir({ 'gatehouse.toml': first?.text ?? '' }))
  t.equal(status, 0)
  t.match(stdout, /^public +any +\/docs /m)
  t.match(stdout, /^session +any +\/billing\/\* /m)
})

t.test('the table of [mail] has every option', async (t) => {
  const options = Object.entries(tomlShape().properties?.['mail']?.properties ?? {}).flatMap(([name, shape]) =>
    keysOf(name, shape).flatMap((key) => spellingsOf(key.name).slice(0, 1))
  )
  t.ok(options.length > 8)
  const rows = rowsOf(pageOf('docs/toml.md'))
    .map(([names = '']) => names)
    .join(' ')
  for (const name of options.filter((one) => one !== 'user_env')) t.ok(rows.includes(`\`${name}\``), name)
})
