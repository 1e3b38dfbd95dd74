import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const manifest = z.object({ version: z.string().regex(/^[\w.+-]+$/) })

/** The version of this gateway, as its package.json has it. */
export function gatewayVersion(): string {
  // Of the package or of the checkout: this file is as deep in both.
  const path = join(import.meta.dirname, '../../../package.json')
  return manifest.parse(JSON.parse(readFileSync(path, 'utf8'))).version
}
