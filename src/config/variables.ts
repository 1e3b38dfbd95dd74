import { z } from 'zod'
import {
  commaList,
  databaseUrl,
  headerToken,
  healthPath,
  hostAndPort,
  listenHost,
  origin,
  pathFrom,
  readHost,
  readOrigin,
  readProxies,
  seconds,
  upstream,
  wholeNumber,
  workerCount,
  yesOrNo
} from './value-types.ts'

const day = 86_400
const port = wholeNumber(0, 65_535)
const noItems: readonly string[] = []

/** The variables that may also be given as `NAME_FILE`, a file that holds the value. */
export const secretVariables = [
  'BETTER_AUTH_SECRET',
  'DATABASE_URL',
  'DATABASE_URL_UNPOOLED',
  'UPSTREAM_TOKEN'
] as const

/**
 * Every variable that Gatehouse reads, judged by itself; what has to hold between variables is in variable-rules.ts, and
 * what they mean for operators in docs/configuration.md.
 */
export function variables(cwd: string) {
  const path = pathFrom(cwd)
  return z.object({
    HOST: listenHost.prefault('127.0.0.1'),
    PORT: port.prefault('8080'),
    ADMIN_HOST: listenHost.prefault('127.0.0.1'),
    ADMIN_PORT: port.prefault('9090'),
    PUBLIC_HEALTH_PATH: healthPath.optional(),
    DATA_DIR: path.prefault('.data'),
    UPSTREAM_URL: upstream.prefault('http://127.0.0.1:8000'),
    UPSTREAM_CA_FILE: path.optional(),
    UPSTREAM_TOKEN: headerToken.optional(),
    DATABASE_URL: databaseUrl.optional(),
    DATABASE_DRIVER: z.enum(['neon', 'pg', 'pglite'], 'must be neon, pg or pglite').optional(),
    DATABASE_URL_UNPOOLED: databaseUrl.optional(),
    NEON_WS_PROXY: hostAndPort.optional(),
    BETTER_AUTH_URL: origin.optional(),
    BETTER_AUTH_SECRET: z.string().min(32, 'must be at least 32 characters long').optional(),
    TRUSTED_ORIGINS: commaList(
      readOrigin,
      'an origin such as https://docs.example.com, without path, wildcard or user information'
    ).default(noItems),
    ALLOWED_HOSTS: commaList(readHost, 'host or host:port, without a scheme').default(noItems),
    TRUSTED_PROXIES: commaList(readProxies, 'an address, a CIDR, loopback or private')
      .transform((proxies): readonly string[] => proxies.flat())
      .default(noItems),
    SESSION_CACHE_TTL: seconds(0, day).prefault('10'),
    SESSION_CACHE_MAX: wholeNumber(1, 10_000_000).prefault('10000'),
    SESSION_EVENTS: z.enum(['auto', 'listen', 'off'], 'must be auto, listen or off').prefault('auto'),
    SESSION_STALE_IF_ERROR: seconds(0, day).prefault('0'),
    MAX_BODY_BYTES: wholeNumber(0, Number.MAX_SAFE_INTEGER).prefault('104857600'),
    MAX_AUTH_BODY_BYTES: wholeNumber(1, 104_857_600).prefault('65536'),
    UPSTREAM_CONNECTIONS: wholeNumber(1, 1_000_000).prefault('1024'),
    LIVE_CONNECTIONS: wholeNumber(1, 1_000_000).prefault('8192'),
    LIVE_CONNECTIONS_PER_ADDRESS: wholeNumber(1, 1_000_000).prefault('100'),
    LIVE_CONNECTIONS_PER_SESSION: wholeNumber(1, 1_000_000).prefault('200'),
    UPSTREAM_TIMEOUT: seconds(0.001, day).prefault('60'),
    CLIENT_TIMEOUT: seconds(0.001, day).prefault('30'),
    DRAIN_DELAY: seconds(0, day).prefault('5'),
    DRAIN_TIMEOUT: seconds(0, day).prefault('15'),
    PUBLIC_SIGN_UP: yesOrNo.prefault('true'),
    PAGES: yesOrNo.prefault('true'),
    LOG_LEVEL: z
      .enum(
        ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
        'must be trace, debug, info, warn, error, fatal or silent'
      )
      .prefault('info'),
    WORKERS: workerCount.prefault('1'),
    GATEHOUSE_CONFIG: path.optional()
  })
}

/** The value of every variable. */
export type Values = z.output<ReturnType<typeof variables>>

/** The name of a variable. */
export type VariableName = keyof Values
