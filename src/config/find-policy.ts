import { lstat, readFile, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { codeOf } from '../../db/error-code.ts'
import { ConfigError } from './environment.ts'

/** Where the policy is. */
export interface PolicyFile {
  /** Absolute. */
  readonly path: string
  /** GATEHOUSE_CONFIG gave it, so that it has to exist. */
  readonly named: boolean
}

/** The files that are looked for in the working directory, apart from `pyproject.toml`. */
const names = [
  'gatehouse.config.ts',
  'gatehouse.config.mts',
  'gatehouse.config.js',
  'gatehouse.config.mjs',
  'gatehouse.toml'
] as const
const namesInFolder = ['gatehouse.toml', 'gatehouse.config.ts'] as const

/**
 * Finds the policy file. It is the one that GATEHOUSE_CONFIG names, or else the only one of those that may lie in `cwd`: a
 * `gatehouse.config.ts` (`.mts`, `.js`, `.mjs`), a `gatehouse.toml`, a `pyproject.toml` that has a `[tool.gatehouse]`. Where
 * there is none, the path is that of the first of these, which does not exist. Throws a ConfigError when there are two, and
 * when it cannot be told whether there is one: a gateway without its policy would open what a rule keeps for a few.
 *
 * The image sets GATEHOUSE_POLICY_FOLDER, which no operator needs: then nothing outside of that folder is looked at, and
 * only `gatehouse.toml` and `gatehouse.config.ts` in it.
 */
export async function findPolicy(env: Record<string, string | undefined>, cwd: string): Promise<PolicyFile> {
  const named = env['GATEHOUSE_CONFIG'] ?? ''
  const only = env['GATEHOUSE_POLICY_FOLDER'] ?? ''
  const folder = resolve(cwd, only)
  if (named !== '') {
    const path = resolve(cwd, named)
    if (only !== '' && relative(folder, dirname(path)) !== '')
      throw new ConfigError([`GATEHOUSE_CONFIG: must name a file in ${folder}: nothing else is looked at here`])
    return { path, named: true }
  }
  const looked: readonly string[] = only === '' ? names : namesInFolder
  const found: string[] = []
  if (only === '' || (await isThere(folder)))
    for (const path of looked.map((name) => join(folder, name))) if (await isThere(path)) found.push(path)
  const pyproject = join(folder, 'pyproject.toml')
  if (only === '' && (await hasGatehouse(pyproject))) found.push(pyproject)
  if (found.length > 1)
    throw new ConfigError([
      `there is more than one policy, and only one can hold: ${found.join(' and ')}; remove all but one, or name one with GATEHOUSE_CONFIG`
    ])
  return { path: found[0] ?? join(folder, looked[0] ?? ''), named: false }
}

/** Whether there is anything of this name. Only what the system calls absent is: a link that leads nowhere is not. */
async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw unreadable(path, error)
  }
  try {
    await stat(path)
    return true
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** Whether a `pyproject.toml` has a policy in it. One that cannot be read might have. */
async function hasGatehouse(path: string): Promise<boolean> {
  if (!(await isThere(path))) return false
  const bytes = await readFile(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  // Most have nothing to do with the gateway, and a parser is loaded only for those that may.
  if (!bytes.includes('gatehouse')) return false
  const { readTomlBytes } = await import('./toml-document.ts')
  const { root, problem } = await readTomlBytes(bytes)
  if (root === undefined) throw new ConfigError([`${path}:${problem.line}: ${problem.sentence}`])
  const tool = root.entries.get('tool')?.node
  return tool !== undefined && (tool.kind !== 'table' || tool.entries.has('gatehouse'))
}

function unreadable(path: string, error: unknown): ConfigError {
  return new ConfigError([
    `${path}: cannot be read (${codeOf(error) ?? 'unknown error'}), and might be the policy: nothing starts without it`
  ])
}
