import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { z } from 'zod'
import { codeOf } from '../../db/error-code.ts'
import { readAppOrigin } from './app-scheme-origins.ts'

/** Adds a problem, which must not repeat the value, and stops reading the value. */
export function refuse(context: z.core.$RefinementCtx, message: string): never {
  context.issues.push({ code: 'custom', message, input: undefined })
  return z.NEVER
}

/** A text as `read` reads it; `message` is the problem where that is null. */
function readBy<T>(read: (text: string) => T | null, message: string) {
  return z.string().transform((text, context): T => read(text) ?? refuse(context, message))
}

function numberIn(from: number, to: number, spelling: RegExp, text: string): number | null {
  const number = Number(text)
  return spelling.test(text) && number >= from && number <= to ? number : null
}

function wholeNumber(from: number, to: number) {
  return readBy((text) => numberIn(from, to, /^\d{1,16}$/, text), `must be a whole number from ${from} to ${to}`)
}

/** Seconds, with up to three decimals, read as milliseconds. */
function seconds(from: number, to: number) {
  return readBy(
    (text) => numberIn(from, to, /^\d{1,9}(\.\d{1,3})?$/, text),
    `must be a number of seconds from ${from} to ${to}`
  ).transform((number) => Math.round(number * 1000))
}

const yesOrNo = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true')

/** The address or host name of a listener, as Node's `listen` takes it. */
const listenHost = readBy((text) => {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  const isName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(bare)
  return isName || isIP(bare) !== 0 ? bare : null
}, 'must be an address or a host name, without a port')

const workerCount = readBy(
  (text): number | 'auto' | null => (text === 'auto' ? text : numberIn(1, 128, /^\d{1,3}$/, text)),
  'must be a whole number from 1 to 128, or auto'
)

/** A path that the public listener answers before the policy is asked; load-settings.ts holds it against the policy file's. */
const healthPath = z.string().transform((text, context) => {
  if (!/^(\/[A-Za-z0-9._~-]+)+$/.test(text) || text.split('/').some((segment) => segment === '.' || segment === '..'))
    return refuse(context, 'must be an absolute path of letters, digits, ".", "_", "~" and "-", such as /healthz')
  return text
})

/** A header value: visible ASCII, no spaces. */
export const headerToken = z.string().regex(/^[!-~]{1,4096}$/, 'must be visible ASCII characters without spaces')

function pathFrom(cwd: string) {
  return z
    .string()
    .refine((text) => !text.includes('\0'), 'must be a path')
    .transform((text) => resolve(cwd, text))
}

/** The items of a comma list, trimmed; an empty item is a problem. */
function commaList<T>(read: (item: string) => T | null, expected: string) {
  return z.string().transform((text, context): readonly T[] => {
    const items: T[] = []
    for (const [index, item] of text.split(',').entries()) {
      const value = read(item.trim())
      if (value === null) refuse(context, `item ${index + 1} of the list must be ${expected}`)
      else items.push(value)
    }
    return items
  })
}

function parse(text: string): URL | null {
  // The URL parser drops white space and reads a backslash as a slash; an address that needs either is a typing error.
  return /[\s\\]/.test(text) ? null : URL.parse(text)
}

function isBareOrigin(url: URL): boolean {
  return /^https?:$/.test(url.protocol) && url.href === `${url.origin}/` && !url.hostname.includes('*')
}

/** The origin of an http or https address that has nothing but an origin, without a trailing slash; null otherwise. */
function readOrigin(text: string): string | null {
  const url = parse(text)
  return url !== null && isBareOrigin(url) ? url.origin : null
}

const origin = readBy(
  readOrigin,
  'must be an origin such as https://example.com, without path, query or user information'
)

/** The address of a server behind the gateway: an http or https origin, or `unix:/absolute/path`. */
export const upstream = readBy(
  (text) => (/^unix:\/(?!\/)[^?#\0]+$/.test(text) ? text : readOrigin(text)),
  'must be http://host:port, https://host:port or unix:/path, without path, query or user information'
)

/** A `host` or `host:port` in lower case, IPv6 in brackets; null when it is something else. */
function readHost(text: string): string | null {
  const port = /:(\d{1,5})$/.exec(text)?.[1]
  if (/[/?#@*]/.test(text) || (port !== undefined && Number(port) > 65535)) return null
  const url = parse(`http://${text}`)
  if (url === null || !isBareOrigin(url)) return null
  return port === undefined ? url.hostname : `${url.hostname}:${Number(port)}`
}

const hostAndPort = readBy((text) => {
  const host = readHost(text)
  return host !== null && /:\d+$/.test(host) && !host.endsWith(']') ? host : null
}, 'must be host:port, without a scheme')

// `private`: RFC 1918 and RFC 4193, and the addresses that carriers share (RFC 6598), by which several platforms route.
const namedRanges: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7']
}

/** The addresses and CIDRs that one item of TRUSTED_PROXIES stands for; null when it is none. */
function readProxies(text: string): readonly string[] | null {
  const known = Object.hasOwn(namedRanges, text) ? namedRanges[text] : undefined
  if (known !== undefined) return known
  const [address = '', prefix, ...rest] = text.split('/')
  const family = address.includes('%') ? 0 : isIP(address)
  if (family === 0 || rest.length > 0) return null
  if (prefix === undefined) return [address]
  const bits = numberIn(0, family === 4 ? 32 : 128, /^\d{1,3}$/, prefix)
  return bits === null ? null : [`${address}/${bits}`]
}

const databaseUrl = readBy(
  (text) => (['postgres:', 'postgresql:'].includes(parse(text)?.protocol ?? '') ? text : null),
  'must be postgres://user:password@host:port/database, with special characters of the password percent-encoded'
)

// Event channels begin with `gatehouse:`, and Postgres takes names of up to 63 bytes.
const schemaName = z.string().transform((text, context) => {
  if (!/^[a-z_][a-z0-9_]{0,49}$/.test(text))
    return refuse(
      context,
      'must be a plain name of at most 50 lower-case letters, digits and "_" that does not begin with a digit'
    )
  if (text.startsWith('pg_') || text === 'information_schema' || text === 'drizzle')
    return refuse(context, "must not be a schema that is Postgres' own, or that of Drizzle's tools")
  return text
})

/** What is wrong with a PEM file of certificates, null when it can be used. */
export function certificateProblem(path: string): string | null {
  let pem: Buffer
  try {
    pem = readFileSync(path)
  } catch (error) {
    return `the file cannot be read (${codeOf(error) ?? 'unknown error'})`
  }
  try {
    return new X509Certificate(pem).subject === '' ? 'the file holds no certificate' : null
  } catch {
    return 'the file holds no certificate'
  }
}

const day = 86_400
const port = wholeNumber(0, 65_535)
const noItems: readonly string[] = []
const secret = z.string().min(32, 'must be at least 32 characters long')

/** The variables that may also be given as `NAME_FILE`, a file that holds the value. */
export const secretVariables = [
  'BETTER_AUTH_SECRET',
  'BETTER_AUTH_SECRET_PREVIOUS',
  'DATABASE_URL',
  'DATABASE_URL_UNPOOLED',
  'UPSTREAM_TOKEN'
] as const

/**
 * Every variable that Gatehouse reads, judged by itself; what has to hold between variables is in
 * rules-between-variables.ts, and what they mean for operators in docs/configuration.md.
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
    DATABASE_SCHEMA: schemaName.prefault('public'),
    NEON_WS_PROXY: hostAndPort.optional(),
    BETTER_AUTH_URL: origin.optional(),
    BETTER_AUTH_SECRET: secret.optional(),
    BETTER_AUTH_SECRET_PREVIOUS: secret.optional(),
    TRUSTED_ORIGINS: commaList(
      (text) => readOrigin(text) ?? readAppOrigin(text),
      "an origin such as https://docs.example.com or an app's scheme such as myapp://, without path, wildcard or user information"
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

export type Values = z.output<ReturnType<typeof variables>>
export type VariableName = keyof Values
