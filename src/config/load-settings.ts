import { existsSync } from 'node:fs'
import { type Deliver, unsentProblems } from '../../auth/mail/mail-senders.ts'
import { liesUnder, type OwnPaths } from '../../auth/own-paths.ts'
import { compileRules, type PolicyRoute } from '../../proxy/compile-route-rules.ts'
import { loadPolicy, ownPathsOf, type PolicyConfig } from '../policy-file.ts'
import { type Config, ConfigError, readConfig } from './environment.ts'
import { findPolicy } from './find-policy.ts'

/** All that a gateway is told: its environment, its policy file, and the routes that are compiled of the file's rules. */
export interface Settings {
  config: Config
  policy: PolicyConfig
  /** The compiled rules, the default rule included. */
  routes: readonly PolicyRoute[]
  /** Where the policy would have been, if there is none. */
  missingPolicy?: string | undefined
  /** Takes the mails that the policy has no sender for. Default: `mail` of the policy file, or nobody. */
  deliver?: Deliver | undefined
}

export interface LoadOptions {
  /** Whether mails that the policy has no sender for are taken by somebody else, so that no plugin has to do without one. */
  readonly mailsElsewhere?: boolean
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
export async function loadSettings(
  env: Record<string, string | undefined>,
  cwd: string,
  { mailsElsewhere = false }: LoadOptions = {}
): Promise<Settings> {
  const problems: string[] = []
  const collect = (error: unknown): undefined => {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
  }
  const config = await Promise.resolve()
    .then(() => readConfig(env, cwd))
    .catch(collect)
  const readable = config ?? { pages: true, publicHealthPath: undefined }
  const file = await findPolicy(env, cwd).catch(collect)
  const policy =
    file &&
    (await loadPolicy(
      file,
      (rules, own) => [...overlaps(readable, own), ...compileRules(rules, reservedPaths(readable, own)).problems],
      { env, cwd }
    ).catch(collect))
  if (file !== undefined && policy?.mail === undefined && !mailsElsewhere)
    problems.push(...unsentProblems(policy?.auth ?? {}).map((problem) => `${file.path}: ${problem}`))
  if (config === undefined || policy === undefined || problems.length > 0) throw new ConfigError(problems)
  const reserved = reservedPaths(config, ownPathsOf(policy))
  const missingPolicy = file === undefined || existsSync(file.path) ? undefined : file.path
  return { config, policy, routes: compileRules(policy.routes, reserved).routes, missingPolicy }
}

/** What works but is rarely meant, in sentences: of the environment and of the policy file. */
export function warningsOf({
  config,
  policy,
  missingPolicy
}: Pick<Settings, 'config' | 'policy' | 'missingPolicy'>): string[] {
  const closed =
    missingPolicy === undefined
      ? []
      : [`there is no policy at ${missingPolicy}: every request needs a session, and nothing is public`]
  const passed = policy.headers.pass.map(
    (name) =>
      `headers.pass lets clients send ${name}: whoever behind the gateway believes it can be led to another path, method, client or user than was judged`
  )
  return [...config.warnings, ...closed, ...passed]
}
