import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PythonProblem } from '../../examples/demo/python.ts'
import { buildPythonWheels, type PythonWheels, pythonWheelsIn } from '../../packaging/python-wheels.ts'
import { builtPackage, makeOnce } from './built-package.ts'

const python = fileURLToPath(new URL('../../python', import.meta.url))
let made: Promise<PythonWheels> | undefined

/**
 * What `npm run build:wheels` makes of this tree: once for all tests, and again when a source has changed. Throws
 * PythonProblem.
 */
export function builtWheels(onWork: (what: string) => void = () => {}): Promise<PythonWheels> {
  made ??= build(onWork)
  return made
}

async function build(onWork: (what: string) => void): Promise<PythonWheels> {
  const { folder } = await builtPackage(onWork)
  const content = dirname(folder)
  const place = join(dirname(content), `wheels-${await hashOfSources(basename(content))}`)
  if (!existsSync(place)) {
    onWork('Building the Python packages')
    await makeOnce(place, (dist) => buildPythonWheels(folder, dist))
  }
  return pythonWheelsIn(place)
}

/** For `{ skip: await withoutWheels() }`: false where they can be built. With CI=true it throws instead. */
export async function withoutWheels(): Promise<false | string> {
  try {
    await builtWheels()
    return false
  } catch (error) {
    if (!(error instanceof PythonProblem) || process.env['CI'] === 'true') throw error
    return error.message
  }
}

async function hashOfSources(content: string): Promise<string> {
  const hash = createHash('sha256').update(content)
  const entries = await readdir(python, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  for (const path of paths.filter((path) => !/\/(?:__pycache__|\.[a-z_]+_cache|tests)\//.test(path)).sort())
    hash.update(`\0${path.slice(python.length)}\0`).update(await readFile(path))
  return hash.digest('hex').slice(0, 16)
}
