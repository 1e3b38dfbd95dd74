import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { type Config, ConfigError, readConfig } from '../config/environment.ts'
import { isLoopback, isProduction } from '../config/rules-between-variables.ts'
import { upstream } from '../config/variables.ts'
import { remoteDatabaseHosts } from './remote-database-hosts.ts'

/** The options of `gatehouse dev` as they were typed. */
export interface DevArguments {
  /** `MODULE:APP`, where there is one. */
  readonly app: string | undefined
  /** What follows `--`; undefined without it. */
  readonly command: readonly string[] | undefined
  readonly upstream?: string | undefined
  readonly port?: string | undefined
  readonly user?: string | undefined
  readonly open: boolean
  readonly remoteDatabase: boolean
}

/** What is behind the gateway. */
export type AppPlan =
  | { readonly kind: 'asgi'; readonly app: string }
  | { readonly kind: 'command'; readonly command: readonly [string, ...string[]] }
  | { readonly kind: 'running'; readonly url: string }

/** What `gatehouse dev` is to do. */
export interface DevPlan {
  readonly config: Config
  readonly app: AppPlan
  /** The port that was asked for; undefined where the next free one from 8080 on will do. */
  readonly port: number | undefined
  /** In lower case. */
  readonly user: string | undefined
  readonly open: boolean
  /** Hosts of a database that is not on this machine. */
  readonly remoteHosts: readonly string[]
}

type Environment = Record<string, string | undefined>

/** `MODULE:APP` and the command after `--`, of what commander calls operands: it drops the `--` itself. */
export function splitOperands(
  operands: readonly string[],
  argv: readonly string[]
): Pick<DevArguments, 'app' | 'command'> {
  const bar = argv.indexOf('--')
  const command = bar === -1 ? undefined : argv.slice(bar + 1)
  const before = operands.slice(0, operands.length - (command?.length ?? 0))
  if (before.length > 1)
    throw new ConfigError(['MODULE:APP: one is enough; a command that starts the app comes after --'])
  return { app: before[0], command }
}

/**
 * Judges the command line and the environment. Throws a ConfigError with every problem: `dev` prints links that sign
 * people in, so that it runs for nobody but this machine.
 */
export function planDevelopment(given: DevArguments, env: Environment, cwd: string): DevPlan {
  const problems: string[] = []
  const config = readEnvironment(env, cwd, problems)
  const app = appPlan(given, env, cwd, problems)
  const port = given.port ?? (env['PORT'] || undefined)
  if (
    given.port !== undefined &&
    !/^([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/.test(given.port)
  )
    problems.push('--port: must be a whole number from 1 to 65535')
  const user = given.user?.trim().toLowerCase()
  if (user !== undefined && !/^[^\s@]{1,64}@[^\s@]{1,189}$/.test(user))
    problems.push('--user: must be an email address, such as ada@example.com')
  if (user !== undefined && config?.pages === false)
    problems.push('--user: needs the built-in pages, and PAGES=false turns them off')
  const remoteHosts = config === undefined ? [] : remoteDatabaseHosts(config, { PGHOST: env['PGHOST'] })
  if (remoteHosts.length > 0 && !given.remoteDatabase)
    problems.push(
      `DATABASE_URL: is on ${remoteHosts.join(' and ')}, and development belongs on a database of this machine: unset it to use the embedded one, or add --remote-database, which asks first`
    )
  if (problems.length > 0 || config === undefined || app === undefined) throw new ConfigError(problems)
  return { config, app, port: port === undefined ? undefined : Number(port), user, open: given.open, remoteHosts }
}

/**
 * Reads the environment as the gateway of `dev` has it. Throws a ConfigError where nothing of development may run under
 * it: for the supervisor, and once more for whoever else starts that gateway.
 */
export function readDevConfig(env: Environment, cwd: string): Config {
  // First, since the other rules of production would ask for what development has no use for.
  const problems: string[] = []
  if (env['NODE_ENV'] === 'production')
    problems.push('NODE_ENV: is production, and dev is for development alone: use gatehouse start')
  if (isProduction(undefined, env['BETTER_AUTH_URL']))
    problems.push('BETTER_AUTH_URL: is a public origin, and dev is for this machine alone: unset it')
  if (problems.length > 0) throw new ConfigError(problems)
  const config = readConfig(devEnvironment(env), cwd)
  // A name below `localhost` may lead elsewhere when it is looked up.
  if (config.host !== 'localhost' && !(isIP(config.host) !== 0 && isLoopback(config.host)))
    throw new ConfigError(['HOST: is not a loopback address, and dev is for this machine alone: unset it'])
  return config
}

/** The environment without what has no meaning for a single gateway. */
export function devEnvironment(env: Environment): Environment {
  return { ...env, WORKERS: undefined }
}

function readEnvironment(env: Environment, cwd: string, problems: string[]): Config | undefined {
  try {
    return readDevConfig(env, cwd)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
    return undefined
  }
}

const asgiApp = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/

function appPlan(given: DevArguments, env: Environment, cwd: string, problems: string[]): AppPlan | undefined {
  const { app, command } = given
  if ([app, command, given.upstream].filter((one) => one !== undefined).length > 1) {
    problems.push('dev: takes one of MODULE:APP, --upstream URL and -- COMMAND')
    return undefined
  }
  if (command !== undefined) {
    const [program, ...rest] = command
    if (program !== undefined) return { kind: 'command', command: [program, ...rest] }
    problems.push('--: the command that starts the app has to follow')
    return undefined
  }
  const running = given.upstream ?? (app === undefined ? env['UPSTREAM_URL'] || undefined : undefined)
  if (running !== undefined) {
    const { data, error } = upstream.safeParse(running)
    if (error !== undefined) problems.push(`--upstream: ${error.issues[0]?.message ?? 'cannot be used'}`)
    return data === undefined ? undefined : { kind: 'running', url: data }
  }
  const found = app ?? likelyApp(cwd)
  if (found !== undefined && asgiApp.test(found) && !found.includes('.py:')) return { kind: 'asgi', app: found }
  problems.push(
    found === undefined
      ? 'MODULE:APP: is missing, and there is neither main.py nor app/main.py here: say which app to start, as in gatehouse dev main:app'
      : 'MODULE:APP: must be a module and the name of the app in it, such as main:app or shop.main:app'
  )
  return undefined
}

/** What most projects call it. */
function likelyApp(cwd: string): string | undefined {
  if (existsSync(join(cwd, 'main.py'))) return 'main:app'
  return existsSync(join(cwd, 'app', 'main.py')) ? 'app.main:app' : undefined
}
