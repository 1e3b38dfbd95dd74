import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { withReference } from '../../docs/reference.ts'
import { readConfig, variableNames } from '../../src/config/environment.ts'
import { variables } from '../../src/config/variables.ts'
import { pageOf, root, rowsOf } from './documents.ts'

const page = pageOf('docs/configuration.md')
const rows = rowsOf(page).flatMap(([name = '', value = '', meaning = '']) => {
  const variable = /^`([A-Z][A-Z_]+)`$/.exec(name)?.[1]
  return variable === undefined ? [] : [{ variable, value, meaning }]
})
const defaults = rows.flatMap(({ variable, value }) => {
  const literal = /^`([^`]+)`$/.exec(value)?.[1]
  return literal === undefined ? [] : [[variable, literal] as const]
})

t.test('the tables are what `npm run docs` makes of the schema', async (t) => {
  t.equal(withReference(page.text), page.text)
})

t.test('docs/configuration.md has every variable once, and no other', async (t) => {
  const files = variableNames.filter((name) => name.endsWith('_FILE') && name !== 'UPSTREAM_CA_FILE')
  t.same(rows.map(({ variable }) => variable).sort(), variableNames.filter((name) => !files.includes(name)).sort())
  for (const name of files) t.ok(page.text.includes(`\`${name}\``), name)
  for (const { variable, meaning } of rows) t.ok(meaning.length > 20, `${variable} has a meaning`)
})

t.test('the defaults in docs/configuration.md are the defaults', async (t) => {
  const shown = readConfig(Object.fromEntries(defaults), '/')
  const real = readConfig({}, '/')
  t.same(shown, real)
})

t.test('what has a default is not called unset', async (t) => {
  const values: [string, unknown][] = Object.entries(variables('/').parse({}))
  const withDefault = values.filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0))
  const documented = defaults.map(([name]) => name)
  for (const [name] of withDefault) t.ok(documented.includes(name), name)
  for (const { variable, value } of rows) if (!documented.includes(variable)) t.equal(value, 'unset', variable)
})

t.test("the README's defaults are those of docs/configuration.md", async (t) => {
  for (const [names = '', values = ''] of rowsOf(pageOf('README.md'))) {
    const variables = [...names.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name)
    const literals = [...values.matchAll(/`([^`]+)`/g)].map(([, value]) => value)
    const known = defaults.filter(([name]) => variables.includes(name))
    if (known.length > 0)
      t.same(
        literals,
        known.map(([, value]) => value),
        names
      )
  }
})

t.test('the table of commands has every command and every option', async (t) => {
  const source = readFileSync(join(root, 'src/cli.ts'), 'utf8')
  const commands = rowsOf(page).filter(([name = '']) => name.startsWith('`gatehouse '))
  for (const part of source.split(/\.command\('/).slice(1)) {
    const [name = ''] = /^\w+/.exec(part) ?? []
    // The name of a command, or of one that belongs to another: `users import`.
    const rows = commands.filter(([command = '']) => command.replaceAll('`', '').split(' ', 3).includes(name)).join(' ')
    t.not(rows, '', `gatehouse ${name}`)
    for (const [, option = ''] of part.matchAll(/\.option\('(--[\w-]+)/g))
      t.ok(rows.includes(option), `${name} ${option}`)
  }
})
