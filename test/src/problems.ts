import type { Test } from 'tap'
import { ConfigError, readConfig } from '../../src/config/environment.ts'

/** What is wrong with an environment, one sentence each. */
export function problemsOf(env: Record<string, string>, cwd = '/nowhere'): readonly string[] {
  try {
    readConfig(env, cwd)
    return []
  } catch (error) {
    return problemsIn(error)
  }
}

/** What is wrong according to work that was refused for its configuration. */
export async function problemsFrom(work: Promise<unknown>): Promise<readonly string[]> {
  try {
    await work
    return []
  } catch (error) {
    return problemsIn(error)
  }
}

/** Asserts one problem for each pattern, in order, and none beside them: tap's own `match` lets longer lists pass. */
export function isEach(t: Test, problems: readonly string[], patterns: readonly RegExp[]): void {
  t.equal(problems.length, patterns.length, problems.join(' | ') || 'no problem')
  for (const [index, pattern] of patterns.entries()) t.match(problems[index], pattern)
}

function problemsIn(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.problems
  throw error
}
