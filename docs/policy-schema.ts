import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { schemaFile } from '../src/config/schema-line.ts'
import { editorSchema } from '../src/config/toml-schema.ts'

/** What belongs into the file by which editors complete a `gatehouse.toml`. */
export function schemaText(): string {
  const { definitions, ...schema } = editorSchema()
  const lines = (object: object) =>
    Object.entries(object).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`)
  // A definition a line, so that a change of one is seen as that.
  return `{\n${[...lines(schema), `"definitions": {\n${lines(Object(definitions)).join(',\n')}\n}`].join(',\n')}\n}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(schemaFile, schemaText())
