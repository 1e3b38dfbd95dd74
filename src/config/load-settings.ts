import { compileRules, type PolicyRoute } from '../../proxy/route-rules.ts'
import { loadPolicy, type PolicyConfig } from '../policy-file.ts'
import { type Config, ConfigError, policyFileOf, readConfig } from './environment.ts'

/** All that a gateway is told: its environment, its policy file, and the routes that are compiled of the file's rules. */
export interface Settings {
  config: Config
  policy: PolicyConfig
  /** The compiled rules, the default rule included. */
  routes: readonly PolicyRoute[]
}

/** The paths that the gateway answers itself, so that no rule may name one. */
export function reservedPaths(config: Pick<Config, 'pages' | 'publicHealthPath'>): string[] {
  const paths = ['/api/auth']
  if (config.pages) paths.push('/auth')
  if (config.publicHealthPath !== undefined) paths.push(config.publicHealthPath)
  return paths
}

/** Reads the environment and the policy file, relative to cwd. Throws one ConfigError with the problems of both. */
export async function loadSettings(env: Record<string, string | undefined>, cwd: string): Promise<Settings> {
  const problems: string[] = []
  const collect = (error: unknown): undefined => {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
  }
  const config = await Promise.resolve()
    .then(() => readConfig(env, cwd))
    .catch(collect)
  const reserved = reservedPaths(config ?? { pages: true, publicHealthPath: undefined })
  const policy = await loadPolicy(policyFileOf(env, cwd), (rules) => compileRules(rules, reserved).problems).catch(
    collect
  )
  if (config === undefined || policy === undefined) throw new ConfigError(problems)
  return { config, policy, routes: compileRules(policy.routes, reserved).routes }
}

/** What works but is rarely meant, in sentences: of the environment and of the policy file. */
export function warningsOf({ config, policy }: Pick<Settings, 'config' | 'policy'>): string[] {
  const passed = policy.headers.pass.map(
    (name) =>
      `headers.pass lets clients send ${name}: whoever behind the gateway believes it can be led to another path, method, client or user than was judged`
  )
  return [...config.warnings, ...passed]
}
