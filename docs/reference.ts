import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type VariableName, variables } from '../src/config/variables.ts'

const page = fileURLToPath(new URL('configuration.md', import.meta.url))
const { shape } = variables('/')

/**
 * `docs/configuration.md` with a row for each variable that a table is marked with, and the defaults of the schema. What
 * the variables mean, the last column, stays as it is written; a new row has none yet.
 */
export function withReference(text: string): string {
  return text.replaceAll(/^<!-- variables: ([A-Z_ ]+) -->\n((?:\|.*\n)*)/gm, (_, names: string, table: string) => {
    const meanings = new Map(
      [...table.matchAll(/^\| `([A-Z_]+)` \|[^|]*\|(.*)\|$/gm)].map(([, name, meaning]) => [name, meaning])
    )
    const rows = names
      .split(' ')
      .map((name) => `| \`${name}\` | ${defaultOf(name as VariableName)} |${meanings.get(name) ?? ' '}|`) // an unknown one throws
    return [
      `<!-- variables: ${names} -->`,
      '| variable | default | meaning |',
      '| --- | --- | --- |',
      ...rows,
      ''
    ].join('\n')
  })
}

function defaultOf(name: VariableName): string {
  const { def } = shape[name]
  const written = def.type === 'prefault' ? String(def.defaultValue) : ''
  return written === '' ? 'unset' : `\`${written}\``
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(page, withReference(readFileSync(page, 'utf8')))
}
