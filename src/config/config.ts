import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { codeOf } from '../../db/narrowing.ts'
import { brokenRules, driverOf, isProduction, warningsOf } from './variable-rules.ts'
import { secretVariables, type Values, type VariableName, variables } from './variables.ts'

/** The configuration of one gateway, deeply frozen. Durations are milliseconds, sizes are bytes. */
export interface Config {
  host: string
  /** 0 picks a free port. */
  port: number
  adminHost: string
  adminPort: number
  publicHealthPath: string | undefined
  /** Absolute. */
  dataDir: string
  upstream: {
    /** `http://host:port`, `https://host:port` or `unix:/path`, without a trailing slash. */
    url: string
    /** Absolute; holds at least one certificate. */
    caFile: string | undefined
    token: string | undefined
  }
  database: {
    driver: 'pglite' | 'pg' | 'neon'
    url: string | undefined
    unpooledUrl: string | undefined
    /** `host:port` */
    neonWsProxy: string | undefined
  }
  /** The public origin, without a trailing slash. Undefined: `http://localhost:` and the port that the listener got. */
  publicUrl: string | undefined
  /** Undefined: made once and kept in `dataDir`. */
  secret: string | undefined
  trustedOrigins: readonly string[]
  /** `host` or `host:port`, lower case. */
  allowedHosts: readonly string[]
  /** Addresses and CIDRs; `loopback` and `private` are already spelled out. */
  trustedProxies: readonly string[]
  session: { cacheTtlMs: number; cacheMax: number; events: 'auto' | 'listen' | 'off'; staleIfErrorMs: number }
  maxBodyBytes: number
  /** Of a request to BetterAuth or the built-in pages. */
  maxAuthBodyBytes: number
  upstreamTimeoutMs: number
  /** Connections to one upstream at work on requests at once, in one process. */
  upstreamConnections: number
  /** Connections that last, in one process. */
  liveConnections: { most: number; mostPerAddress: number; mostPerSession: number }
  clientTimeoutMs: number
  drainDelayMs: number
  drainTimeoutMs: number
  publicSignUp: boolean
  pages: boolean
  logLevel: string
  workers: number | 'auto'
  /** Absolute path of the policy file; `named` when GATEHOUSE_CONFIG gave it, so that it has to exist. */
  policyFile: { path: string; named: boolean }
  production: boolean
  /** Sentences to log once at start. */
  warnings: readonly string[]
}

/** The configuration cannot be used. Every problem is one line that names what is wrong and never repeats a value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'CONFIG_INVALID'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** The names of every variable that Gatehouse reads, the `…_FILE` forms of secrets included. */
export const variableNames: readonly string[] = [
  ...Object.keys(variables('/').shape),
  ...secretVariables.map((name) => `${name}_FILE`)
]

/**
 * Reads the environment; relative paths start at cwd, an empty variable counts as unset.
 * Throws a {@link ConfigError} with every problem at once.
 */
export function readConfig(env: Record<string, string | undefined>, cwd: string): Config {
  const files = readSecretFiles(env, cwd)
  const problems = [...unknownVariables(files.environment), ...files.problems]

  const { values, bad } = readVariables(files.environment, cwd, problems)
  for (const name of files.bad) bad.add(name)
  const has = (name: VariableName) => Object.hasOwn(files.environment, name) || bad.has(name)

  const driver = driverOf(values)
  const production = isProduction(env['NODE_ENV'], files.environment['BETTER_AUTH_URL'])
  problems.push(...brokenRules({ values, production, driver, has, isBad: (name) => bad.has(name) }))
  if (problems.length > 0) throw new ConfigError(problems)

  return deepFreeze({
    host: values.HOST,
    port: values.PORT,
    adminHost: values.ADMIN_HOST,
    adminPort: values.ADMIN_PORT,
    publicHealthPath: values.PUBLIC_HEALTH_PATH,
    dataDir: values.DATA_DIR,
    upstream: { url: values.UPSTREAM_URL, caFile: values.UPSTREAM_CA_FILE, token: values.UPSTREAM_TOKEN },
    database: {
      driver,
      url: values.DATABASE_URL,
      unpooledUrl: values.DATABASE_URL_UNPOOLED,
      neonWsProxy: values.NEON_WS_PROXY
    },
    publicUrl: values.BETTER_AUTH_URL,
    secret: values.BETTER_AUTH_SECRET,
    trustedOrigins: values.TRUSTED_ORIGINS,
    allowedHosts: values.ALLOWED_HOSTS,
    trustedProxies: values.TRUSTED_PROXIES,
    session: {
      cacheTtlMs: values.SESSION_CACHE_TTL,
      cacheMax: values.SESSION_CACHE_MAX,
      events: values.SESSION_EVENTS,
      staleIfErrorMs: values.SESSION_STALE_IF_ERROR
    },
    maxBodyBytes: values.MAX_BODY_BYTES,
    maxAuthBodyBytes: values.MAX_AUTH_BODY_BYTES,
    upstreamTimeoutMs: values.UPSTREAM_TIMEOUT,
    upstreamConnections: values.UPSTREAM_CONNECTIONS,
    liveConnections: {
      most: values.LIVE_CONNECTIONS,
      mostPerAddress: values.LIVE_CONNECTIONS_PER_ADDRESS,
      mostPerSession: values.LIVE_CONNECTIONS_PER_SESSION
    },
    clientTimeoutMs: values.CLIENT_TIMEOUT,
    drainDelayMs: values.DRAIN_DELAY,
    drainTimeoutMs: values.DRAIN_TIMEOUT,
    publicSignUp: values.PUBLIC_SIGN_UP,
    pages: values.PAGES,
    logLevel: values.LOG_LEVEL,
    workers: values.WORKERS,
    policyFile: policyFileOf(env, cwd),
    production,
    warnings: warningsOf(values)
  })
}

/** Where the policy file is, whether or not the rest of the environment can be read. */
export function policyFileOf(env: Record<string, string | undefined>, cwd: string): Config['policyFile'] {
  const name = env['GATEHOUSE_CONFIG'] ?? ''
  return { path: resolve(cwd, name === '' ? 'gatehouse.config.ts' : name), named: name !== '' }
}

/** Reads each variable; one that cannot be read adds its problem and stands at its default, so that the others are still judged. */
function readVariables(
  environment: Record<string, string>,
  cwd: string,
  problems: string[]
): { values: Values; bad: Set<string> } {
  const schema = variables(cwd)
  const first = schema.safeParse(environment)
  if (first.success) return { values: first.data, bad: new Set() }
  for (const issue of first.error.issues) problems.push(`${issue.path.join('.')}: ${issue.message}`)
  const bad = new Set(first.error.issues.map((issue) => String(issue.path[0])))
  const readable = Object.fromEntries(Object.entries(environment).filter(([name]) => !bad.has(name)))
  return { values: schema.parse(readable), bad }
}

// BetterAuth reads BETTER_AUTH_TRUSTED_ORIGINS and others on its own: one that Gatehouse does not know would change its rules unseen.
function unknownVariables(environment: Record<string, string>): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('BETTER_AUTH_') && !variableNames.includes(name))
    .map((name) => `${name}: is not a variable of Gatehouse, but BetterAuth would read it; remove it`)
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part)
  return Object.freeze(value)
}

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
      return `the file cannot be read (${codeOf(error) ?? 'unknown error'})`
    }
  }
}

/** How many processes WORKERS comes to on this machine. */
export function workerCount(workers: Config['workers']): number {
  return workers === 'auto' ? availableParallelism() : workers
}
