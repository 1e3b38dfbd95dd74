import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
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
 * there is none, the path is that of the first of these, which does not exist. Throws a ConfigError when there are two.
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
  const found = looked.map((name) => join(folder, name)).filter((path) => existsSync(path))
  const pyproject = join(folder, 'pyproject.toml')
  if (only === '' && (await hasGatehouse(pyproject))) found.push(pyproject)
  if (found.length > 1)
    throw new ConfigError([
      `there is more than one policy, and only one can hold: ${found.join(' and ')}; remove all but one, or name one with GATEHOUSE_CONFIG`
    ])
  return { path: found[0] ?? join(folder, looked[0] ?? ''), named: false }
}

/** Whether a `pyproject.toml` has a policy in it. One that cannot be read has none: it is no file of the gateway's. */
async function hasGatehouse(path: string): Promise<boolean> {
  if (!existsSync(path)) return false
  const bytes = await readFile(path).catch(() => Buffer.alloc(0))
  // Most have nothing to do with the gateway, and a parser is loaded only for those that may.
  if (!bytes.includes('gatehouse')) return false
  const { readTomlBytes, tableAt } = await import('./toml-document.ts')
  const { root } = await readTomlBytes(bytes)
  // What is broken may have had a policy in it: it is taken for one, so that the problem is told.
  return root === undefined
    ? /^[ \t]*\[{1,2}[ \t]*tool[ \t]*\.[ \t]*gatehouse\b/m.test(bytes.toString('latin1'))
    : tableAt(root, ['tool', 'gatehouse']) !== undefined
}
