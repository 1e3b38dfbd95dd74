import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { codeOf } from '../../db/type-guards.ts'
import { isAppOrigin } from './app-origins.ts'
import { brokenRules, driverOf, isProduction, warningsOf } from './rules-between-variables.ts'
import { secretVariables, type Values, type VariableName, variables } from './variables.ts'

/** The configuration of one gateway, deeply frozen. Durations are milliseconds, sizes are bytes. */
export type Config = ReturnType<typeof configOf>

function configOf(values: Values, production: boolean) {
  return {
    host: values.HOST,
    /** 0 picks a free port. */
    port: values.PORT,
    adminHost: values.ADMIN_HOST,
    adminPort: values.ADMIN_PORT,
    publicHealthPath: values.PUBLIC_HEALTH_PATH,
    /** Absolute. */
    dataDir: values.DATA_DIR,
    upstream: {
      /** `http://host:port`, `https://host:port` or `unix:/path`, without a trailing slash. */
      url: values.UPSTREAM_URL,
      /** Absolute; holds at least one certificate. */
      caFile: values.UPSTREAM_CA_FILE,
      token: values.UPSTREAM_TOKEN
    },
    database: {
      driver: driverOf(values),
      url: values.DATABASE_URL,
      unpooledUrl: values.DATABASE_URL_UNPOOLED,
      /** `host:port` */
      neonWsProxy: values.NEON_WS_PROXY,
      schemaName: values.DATABASE_SCHEMA
    },
    /** The public origin, without a trailing slash. Undefined: `http://localhost:` and the port that the listener got. */
    publicUrl: values.BETTER_AUTH_URL,
    /** Undefined: generated at the first start and kept in `dataDir`. */
    secret: values.BETTER_AUTH_SECRET,
    /** What cookies may still be signed with. */
    previousSecret: values.BETTER_AUTH_SECRET_PREVIOUS,
    /** Of sites. */
    trustedOrigins: values.TRUSTED_ORIGINS.filter((origin) => !isAppOrigin(origin)),
    /** Of apps, `scheme://` or `scheme://authority`: only BetterAuth knows them. */
    appOrigins: values.TRUSTED_ORIGINS.filter(isAppOrigin),
    /** `host` or `host:port`, lower case. */
    allowedHosts: values.ALLOWED_HOSTS,
    /** Addresses and CIDRs; `loopback` and `private` are already spelled out. */
    trustedProxies: values.TRUSTED_PROXIES,
    session: {
      cacheTtlMs: values.SESSION_CACHE_TTL,
      cacheMax: values.SESSION_CACHE_MAX,
      events: values.SESSION_EVENTS,
      staleIfErrorMs: values.SESSION_STALE_IF_ERROR
    },
    maxBodyBytes: values.MAX_BODY_BYTES,
    /** Of a request to BetterAuth or the built-in pages. */
    maxAuthBodyBytes: values.MAX_AUTH_BODY_BYTES,
    upstreamTimeoutMs: values.UPSTREAM_TIMEOUT,
    /** Connections to one upstream that carry requests at the same time, in one process. */
    upstreamConnections: values.UPSTREAM_CONNECTIONS,
    /** Long-lived connections, in one process. */
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
    production,
    /** Sentences to log once at start. */
    warnings: [...warningsOf(values)]
  }
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
  const environment = new Map<string, string>()
  for (const [name, value] of Object.entries(env)) if (value !== undefined && value !== '') environment.set(name, value)
  const { problems, unreadable } = addSecretsFromFiles(environment, cwd)
  const names = [...environment.keys(), ...unreadable]
  // BetterAuth reads BETTER_AUTH_TRUSTED_ORIGINS and others on its own: one that Gatehouse does not know would change its
  // rules unseen.
  const unknown = names.filter((name) => name.startsWith('BETTER_AUTH_') && !variableNames.includes(name))
  problems.unshift(
    ...unknown.map((name) => `${name}: is not a variable of Gatehouse, but BetterAuth would read it; remove it`)
  )

  const schema = variables(cwd)
  for (const { path, message } of schema.safeParse(Object.fromEntries(environment)).error?.issues ?? []) {
    problems.push(`${path.join('.')}: ${message}`)
    unreadable.add(String(path[0]))
  }
  const production = isProduction(env['NODE_ENV'], environment.get('BETTER_AUTH_URL'))
  // What cannot be read stands at its default, so that the rules between the other variables are still judged.
  const readable = [...environment].filter(([name]) => !unreadable.has(name))
  const values = schema.parse(Object.fromEntries(readable))
  problems.push(
    ...brokenRules({
      values,
      production,
      has: (name: VariableName) => names.includes(name),
      isUnreadable: (name: VariableName) => unreadable.has(name)
    })
  )
  if (problems.length > 0) throw new ConfigError(problems)
  return deepFreeze(configOf(values, production))
}

/**
 * Puts what is in the file that `NAME_FILE` names, relative to cwd, under `NAME`. Where that fails, or both are given,
 * `NAME` is taken out and is among the unreadable.
 */
function addSecretsFromFiles(environment: Map<string, string>, cwd: string) {
  const problems: string[] = []
  const unreadable = new Set<string>()
  for (const name of secretVariables) {
    const file = environment.get(`${name}_FILE`)
    if (file === undefined) continue
    const read = environment.has(name)
      ? { problem: `is given together with ${name}; keep one` }
      : readSecret(resolve(cwd, file))
    if ('secret' in read) environment.set(name, read.secret)
    else {
      problems.push(`${name}_FILE: ${read.problem}`)
      unreadable.add(name)
      environment.delete(name)
    }
  }
  return { problems, unreadable }
}

function readSecret(path: string): { secret: string } | { problem: string } {
  try {
    // One newline at the end is the file's, not the secret's.
    const secret = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    return secret === '' ? { problem: 'the file is empty' } : { secret }
  } catch (error) {
    return { problem: `the file cannot be read (${codeOf(error) ?? 'unknown error'})` }
  }
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part)
  return Object.freeze(value)
}

/** How many processes WORKERS comes to on this machine. */
export function workerCount(workers: Config['workers']): number {
  return workers === 'auto' ? availableParallelism() : workers
}

/** The public origin for commands that do not listen: where none is configured, that of the configured port on this machine. */
export function publicUrlOf({ publicUrl, port }: Pick<Config, 'publicUrl' | 'port'>): string {
  return publicUrl ?? `http://localhost:${port}`
}
