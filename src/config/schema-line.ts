import { relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The JSON Schema of TOML policies that is shipped with the gateway; absolute. `npm run docs` writes it. */
export const schemaFile = fileURLToPath(new URL('gatehouse.schema.json', import.meta.url))

/**
 * The first line of a `gatehouse.toml` in `folder`, by which editors (Taplo, Even Better TOML) find what completes it:
 * `schema` relative to the folder, or the one that is shipped.
 */
export function schemaLine(folder: string, schema = schemaFile): string {
  const path = relative(folder, schema).split(sep).join('/')
  return `#:schema ${path.startsWith('.') ? path : `./${path}`}`
}
