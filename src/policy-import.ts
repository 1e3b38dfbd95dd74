import { realpathSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOf } from '../db/type-guards.ts'
import { ConfigError } from './config/environment.ts'

/**
 * The default export of a policy file that is code. Throws a ConfigError that names the file, the line where it is
 * known, and what is wrong there.
 */
export async function importPolicy(path: string): Promise<unknown> {
  // Not loaded where there is no policy file, or one that is no code.
  const { importPolicyModule, PolicyModuleError } = await import('./policy-modules.ts')
  try {
    return (await importPolicyModule(path)).default
  } catch (error) {
    if (error instanceof PolicyModuleError) throw refusal(path, error, error.message)
    throw refusal(path, placeOf(error), whatHappened(error))
  }
}

interface Place {
  readonly file: string
  readonly line: number | undefined
}

function refusal(policy: string, place: Place | undefined, what: string): ConfigError {
  const line = place?.line === undefined ? '' : `:${place.line}`
  if (place === undefined || place.file === realpathSync(policy))
    return new ConfigError([`${policy}${line}: cannot be imported: ${what}`])
  const file = relative(dirname(realpathSync(policy)), place.file)
  return new ConfigError([`${policy}: cannot be imported: ${file}${line}: ${what}`])
}

const hints: Readonly<Record<string, string>> = {
  ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX:
    '; Node runs TypeScript by leaving out its types, so write what is only type: a union for an enum, fields for parameter properties',
  ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING: '; a package has to bring JavaScript'
}

function whatHappened(error: unknown): string {
  if (!(error instanceof Error)) return 'it threw something that is no error'
  const [message = ''] = error.message.trim().split('\n')
  return `${error.name}: ${message}${hints[codeOf(error) ?? ''] ?? ''}`
}

/** Where in a user's own files an error arose, from its stack: a syntax error's first line, or the innermost frame. */
function placeOf(error: unknown): Place | undefined {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return undefined
  return error.stack
    .split('\n')
    .map(placeIn)
    .find((place) => place !== undefined)
}

const own = new URL('./', import.meta.url).href

function placeIn(line: string): Place | undefined {
  const start = line.indexOf('file:///')
  if (start < 0 || line.includes('/node_modules/') || line.includes(own)) return undefined
  const [, url = '', row = ''] = /^(\S+?):(\d+)/.exec(line.slice(start + 'file://'.length)) ?? []
  return url === '' ? undefined : { file: fileURLToPath(`file://${url}`), line: Number(row) }
}
