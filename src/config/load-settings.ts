import { liesUnder, type OwnPaths } from '../../auth/own-paths.ts'
import { compileRules, type PolicyRoute } from '../../proxy/compile-route-rules.ts'
import { loadPolicy, ownPathsOf, type PolicyConfig } from '../policy-file.ts'
import { type Config, ConfigError, policyFileOf, readConfig } from './environment.ts'

/** All that a gateway is told: its environment, its policy file, and the routes that are compiled of the file's rules. */
export interface Settings {
  config: Config
  policy: PolicyConfig
  /** The compiled rules, the default rule included. */
  routes: readonly PolicyRoute[]
}

/** The paths that the gateway answers itself, so that no rule may name one. */
export function reservedPaths(config: Pick<Config, 'pages' | 'publicHealthPath'>, own: OwnPaths): string[] {
  const paths = [own.betterAuth]
  if (config.pages) paths.push(own.pages)
  if (config.publicHealthPath !== undefined) paths.push(config.publicHealthPath)
  return paths
}

/** What is wrong with these paths together: a request would belong to two of them. */
function overlaps({ pages, publicHealthPath }: Pick<Config, 'pages' | 'publicHealthPath'>, own: OwnPaths): string[] {
  const problems: string[] = []
  if (pages && (liesUnder(own.pages, own.betterAuth) || liesUnder(own.betterAuth, own.pages)))
    problems.push(
      `pages.path: is ${own.pages}, and BetterAuth is under ${own.betterAuth}: neither may lie under the other; set pages.path or auth.basePath`
    )
  const hidden = [own.betterAuth, ...(pages ? [own.pages] : [])]
  if (publicHealthPath !== undefined && hidden.some((path) => liesUnder(publicHealthPath, path)))
    problems.push(`PUBLIC_HEALTH_PATH: must not lie under ${hidden.join(' or ')}`)
  return problems
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
  const readable = config ?? { pages: true, publicHealthPath: undefined }
  const policy = await loadPolicy(policyFileOf(env, cwd), (rules, own) => [
    ...overlaps(readable, own),
    ...compileRules(rules, reservedPaths(readable, own)).problems
  ]).catch(collect)
  if (config === undefined || policy === undefined) throw new ConfigError(problems)
  const reserved = reservedPaths(config, ownPathsOf(policy))
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
