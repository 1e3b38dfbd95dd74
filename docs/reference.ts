import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { meanings, type VariableName, variables } from '../src/config/variables.ts'

const page = fileURLToPath(new URL('configuration.md', import.meta.url))
const { shape } = variables('/')

/** `docs/configuration.md` with its tables made anew from the schema; the prose around them stays. */
export function withReference(text: string): string {
  return text.replaceAll(/^<!-- variables: ([A-Z_ ]+) -->\n(?:\|.*\n)*/gm, (_, names: string) => {
    const rows = names.split(' ').map((name) => rowOf(name as VariableName)) // an unknown one throws
    return [
      `<!-- variables: ${names} -->`,
      '| variable | default | meaning |',
      '| --- | --- | --- |',
      ...rows,
      ''
    ].join('\n')
  })
}

function rowOf(name: VariableName): string {
  const { def } = shape[name]
  const written = def.type === 'prefault' ? String(def.defaultValue) : ''
  return `| \`${name}\` | ${written === '' ? 'unset' : `\`${written}\``} | ${meanings[name]} |`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(page, withReference(readFileSync(page, 'utf8')))
}
