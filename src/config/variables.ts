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

/** Every variable that Gatehouse reads, one by one; what holds between them is in rules.ts, what they mean in meanings.ts. */
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

/** The variables' values once each of them has been read, before they are held against each other. */
export type Values = z.output<ReturnType<typeof variables>>

/** The name of a variable. */
export type VariableName = keyof Values

/**
 * What every variable means, in the order of `docs/configuration.md`, which is made from it and from the schema with
 * `npm run docs`. Markdown.
 */
export const meanings: Readonly<Record<VariableName, string>> = {
  HOST: 'address on which browsers connect. The image sets `0.0.0.0`',
  PORT: 'its port; `0` picks a free one',
  ADMIN_HOST: 'address on which operators connect: `/healthz` and `/readyz`. The image sets `0.0.0.0`',
  ADMIN_PORT: 'its port; never the public one',
  PUBLIC_HEALTH_PATH:
    'a path on the public port that answers GET with 200 or 503 and no body, whatever the `Host`, such as `/healthz`. For platforms that reach one port only',
  UPSTREAM_URL:
    '`http://host:port`, `https://host:port` (the certificate is verified) or `unix:/path`; without a path or query',
  UPSTREAM_CA_FILE: 'PEM file with a further certificate authority for an `https://` upstream',
  UPSTREAM_TOKEN:
    'sent to `UPSTREAM_URL`, and to no other upstream, as `X-Gatehouse-Token`, so that FastAPI can refuse whoever did not come through the gateway. Visible ASCII without spaces',
  DATA_DIR:
    'where the embedded database and the generated secret live. One process at a time owns the database in it; a second one exits with 2',
  DATABASE_URL:
    "`postgres://user:password@host:port/database`. Unset: an embedded Postgres (PGlite) in `DATA_DIR`. A Neon host (`….neon.tech`): Neon's driver. Any other: node-postgres",
  DATABASE_DRIVER: '`neon`, `pg` or `pglite`, instead of what `DATABASE_URL` suggests',
  DATABASE_URL_UNPOOLED:
    "the direct address of the same database, for migrations and session events; `DATABASE_URL` unless it is set. Needed where `DATABASE_URL` is Neon's pooled one",
  NEON_WS_PROXY: "`host:port` of a WebSocket-to-Postgres proxy, for Neon's driver against a local Postgres",
  BETTER_AUTH_URL:
    'the public origin as browsers see it, such as `https://app.example.com`. Unset: `http://localhost:` and the port',
  BETTER_AUTH_SECRET:
    'signs the cookies; at least 32 characters (`openssl rand -base64 32`). Unset: made once and kept in `DATA_DIR`, readable by its owner alone. Changing it signs everybody out',
  TRUSTED_ORIGINS:
    'comma list of further browser origins on the same registrable domain, such as `https://docs.example.com`: allowed by CORS with credentials, by BetterAuth and by the origin check. No wildcards',
  ALLOWED_HOSTS: 'comma list of further `Host` values that are answered, `host` or `host:port`',
  TRUSTED_PROXIES:
    "comma list of addresses, CIDRs, `loopback`, `private`: peers whose `X-Forwarded-For` (rightmost address that is not a trusted one), `X-Request-Id` and trace context (`traceparent`, `tracestate`, `baggage`) are believed. Unset: nobody's",
  PUBLIC_SIGN_UP: '`false` closes self-registration, by password, plugin and social provider alike',
  PAGES:
    'the built-in [pages](pages.md) for signing in and out under `/auth`, where no rule of the policy may lie; page loads without a session are sent there. `false` leaves `/auth` to FastAPI, and page loads get 401',
  SESSION_CACHE_TTL:
    'seconds for which a session decision may be reused: the bound on a session that ended elsewhere when no event arrives. `0` asks the database every time',
  SESSION_CACHE_MAX: 'sessions that one process remembers; the least recently used go first',
  SESSION_EVENTS:
    '`listen`, `off`, or `auto`: listen where the database can. Listening keeps a Neon compute awake; use `off` where it should scale to zero',
  SESSION_STALE_IF_ERROR:
    'seconds for which a known session outlives its cached decision while the database is unreachable. `0`: 503 once the decision expires',
  MAX_BODY_BYTES: 'largest request body that is forwarded (100 MiB); 413 past it',
  MAX_AUTH_BODY_BYTES:
    'largest body of a request to `/api/auth` or `/auth` (64 KiB); 413 past it. [A path](policy.md#what-is-added-to-betterauth) can be given more, and a SAML answer has 256 KiB',
  UPSTREAM_CONNECTIONS:
    'connections to one upstream that are at work on requests at once, for each process; a request past them waits two seconds at most, then gets 503 `UPSTREAM_BUSY`. One session, and one address that has not signed in, gets half of them at most (429), where there are 64 or more',
  LIVE_CONNECTIONS:
    'connections that last, for each process and beside those for requests: WebSockets, event streams, and whatever else goes on for five seconds. A WebSocket or an event stream past them gets 503 `UPSTREAM_BUSY`',
  LIVE_CONNECTIONS_PER_ADDRESS:
    'how many of them one address may have in each process that has not signed in (IPv6: one /64); 429 past it. Without `TRUSTED_PROXIES` all who come through one proxy are one address',
  LIVE_CONNECTIONS_PER_SESSION: 'how many of them one session may have in each process; 429 past it',
  UPSTREAM_TIMEOUT:
    "seconds until FastAPI's response headers; 504 past it. The default for the upstreams of the policy file. A response may stream for as long as it likes",
  CLIENT_TIMEOUT:
    "seconds without a byte of a request's body; 408 past it. The headers of a request must arrive within 15",
  DRAIN_DELAY: 'seconds between "not ready" and closing the listener, after SIGTERM',
  DRAIN_TIMEOUT: 'seconds that requests in flight then get',
  LOG_LEVEL: '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`',
  WORKERS:
    '[processes that share the public port](deploying.md#several-processes), up to 128; `auto`: one for each core. The embedded database allows `1`',
  GATEHOUSE_CONFIG:
    'the policy file. Named but missing: exit status 2. Not named and missing: everything needs a session'
}
