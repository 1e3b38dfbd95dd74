import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { secretVariables } from './variables.ts'

/** The environment with the contents of `NAME_FILE` as `NAME`, and what was wrong on the way; bad are the names without a usable value. */
export interface SecretFiles {
  environment: Record<string, string>
  problems: string[]
  bad: string[]
}

/** Reads the secrets that are given as files, relative to cwd; one trailing newline is not part of a secret. Empty variables count as unset. */
export function readSecretFiles(env: Record<string, string | undefined>, cwd: string): SecretFiles {
  const environment: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) if (value !== undefined && value !== '') environment[name] = value

  const problems: string[] = []
  const bad: string[] = []
  for (const name of secretVariables) {
    const file = environment[`${name}_FILE`]
    if (file === undefined) continue
    const problem = environment[name] === undefined ? read(name, file) : `is given together with ${name}; keep one`
    if (problem === undefined) continue
    problems.push(`${name}_FILE: ${problem}`)
    bad.push(name)
    delete environment[name]
  }
  return { environment, problems, bad }

  function read(name: string, file: string): string | undefined {
    try {
      const value = readFileSync(resolve(cwd, file), 'utf8').replace(/\r?\n$/, '')
      if (value === '') return 'the file is empty'
      environment[name] = value
      return undefined
    } catch (error) {
      return `the file cannot be read (${errorCode(error)})`
    }
  }
}

/** The code of a system error, such as ENOENT; never its message, which carries the path. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error'
}
