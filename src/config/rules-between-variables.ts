import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { appOriginProblem, isAppOrigin } from './app-origins.ts'
import { certificateProblem, type Values, type VariableName } from './variables.ts'

/** What the rules between variables are told. */
export interface Given {
  values: Values
  production: boolean
  /** Whether a variable was set, readable or not. */
  has(name: VariableName): boolean
  /** Whether a variable was set to something that could not be read, so that it stands at its default. */
  isUnreadable(name: VariableName): boolean
}

/** The database driver: the one that DATABASE_DRIVER names, else the one that DATABASE_URL needs, else the embedded one. */
export function driverOf({ DATABASE_DRIVER, DATABASE_URL }: Values): 'pglite' | 'pg' | 'neon' {
  if (DATABASE_DRIVER !== undefined) return DATABASE_DRIVER
  if (DATABASE_URL === undefined) return 'pglite'
  return isNeon(DATABASE_URL) ? 'neon' : 'pg'
}

/** The production rules hold where NODE_ENV says so, and where the public origin, well written or not, is not this machine. */
export function isProduction(nodeEnv: string | undefined, publicUrl: string | undefined): boolean {
  const host = hostOf(publicUrl ?? '')
  return nodeEnv === 'production' || (host !== '' && !isLoopback(host))
}

/** Every problem that lies between variables rather than in one of them. A rule is silent about a variable that could not be read. */
export function brokenRules(given: Given): string[] {
  return [production, secrets, database, origins, listeners, upstream, workers].flatMap((rule) => [...rule(given)])
}

function* production({ values, production, has }: Given): Iterable<string> {
  if (!production) return
  const url = values.BETTER_AUTH_URL ?? ''
  if (!has('BETTER_AUTH_URL')) yield 'BETTER_AUTH_URL: is required in production: the public origin'
  if (url.startsWith('http:') && !isLoopback(hostOf(url))) yield 'BETTER_AUTH_URL: must be https in production'
  if (!has('BETTER_AUTH_SECRET')) yield 'BETTER_AUTH_SECRET: is required in production: at least 32 random characters'
  if (!has('DATABASE_URL') && !has('DATABASE_DRIVER'))
    yield 'DATABASE_URL: is required in production; to use the embedded database, ask for it with DATABASE_DRIVER=pglite'
}

function* secrets({ values: { BETTER_AUTH_SECRET, BETTER_AUTH_SECRET_PREVIOUS } }: Given): Iterable<string> {
  if (BETTER_AUTH_SECRET_PREVIOUS !== undefined && BETTER_AUTH_SECRET_PREVIOUS === BETTER_AUTH_SECRET)
    yield 'BETTER_AUTH_SECRET_PREVIOUS: is BETTER_AUTH_SECRET itself; remove it, or change the other'
}

function* database({ values, has, isUnreadable }: Given): Iterable<string> {
  if (isUnreadable('DATABASE_DRIVER')) return
  const driver = driverOf(values)
  if (has('DATABASE_URL') && values.DATABASE_DRIVER === 'pglite')
    yield 'DATABASE_URL: has no use with DATABASE_DRIVER=pglite; remove one of them'
  if (has('DATABASE_URL_UNPOOLED') && !has('DATABASE_URL') && driver === 'pglite')
    yield 'DATABASE_URL_UNPOOLED: has no use without DATABASE_URL'
  if (!has('DATABASE_URL') && driver !== 'pglite') yield `DATABASE_URL: is required by DATABASE_DRIVER=${driver}`
  if (has('NEON_WS_PROXY') && driver !== 'neon' && !isUnreadable('DATABASE_URL'))
    yield "NEON_WS_PROXY: is for Neon's driver only; set DATABASE_DRIVER=neon or remove it"
  if (isPooledNeon(values.DATABASE_URL_UNPOOLED ?? ''))
    yield "DATABASE_URL_UNPOOLED: is Neon's pooled address; take the one without -pooler"
  if (values.SESSION_EVENTS === 'listen' && isOnlyPooled(values))
    yield "SESSION_EVENTS: cannot listen through Neon's pooled address; set DATABASE_URL_UNPOOLED to the one without -pooler"
}

function* origins({ values, production, isUnreadable }: Given): Iterable<string> {
  if (isUnreadable('BETTER_AUTH_URL')) return
  const publicUrl = values.BETTER_AUTH_URL ?? 'http://localhost'
  const host = hostOf(publicUrl)
  for (const [index, origin] of values.TRUSTED_ORIGINS.entries()) {
    const item = `TRUSTED_ORIGINS: item ${index + 1} of the list`
    if (isAppOrigin(origin)) {
      const problem = appOriginProblem(origin, production)
      if (problem !== undefined) yield `${item} ${problem}`
      continue
    }
    const other = hostOf(origin)
    if (!isSameSite(host, other) && !(isLoopback(host) && isLoopback(other)))
      yield `${item} must be on the same registrable domain as BETTER_AUTH_URL: cookies do not cross sites`
    if (publicUrl.startsWith('https:') && origin.startsWith('http:'))
      yield `${item} must be https, as BETTER_AUTH_URL is`
  }
}

function* listeners({ values: { HOST, PORT, ADMIN_HOST, ADMIN_PORT }, isUnreadable }: Given): Iterable<string> {
  if (isUnreadable('HOST') || isUnreadable('PORT') || isUnreadable('ADMIN_HOST') || isUnreadable('ADMIN_PORT')) return
  const overlap = HOST === ADMIN_HOST || [HOST, ADMIN_HOST].some((host) => host === '0.0.0.0' || host === '::')
  if (PORT !== 0 && PORT === ADMIN_PORT && overlap)
    yield "ADMIN_PORT: is PORT too; operators' endpoints need a port of their own"
}

function* upstream({ values: { UPSTREAM_CA_FILE: file, UPSTREAM_URL: url }, isUnreadable }: Given): Iterable<string> {
  if (file === undefined || isUnreadable('UPSTREAM_URL')) return
  const problem = url.startsWith('https:')
    ? certificateProblem(file)
    : 'has no use unless UPSTREAM_URL is https; remove it or use https'
  if (problem !== null) yield `UPSTREAM_CA_FILE: ${problem}`
}

// `auto` is refused on a machine with one core too: how many cores there are must not decide whether a gateway starts.
function* workers({ values, isUnreadable }: Given): Iterable<string> {
  const unknownDriver = isUnreadable('DATABASE_URL') || isUnreadable('DATABASE_DRIVER')
  if (values.WORKERS !== 1 && driverOf(values) === 'pglite' && !unknownDriver)
    yield 'WORKERS: must be 1 with the embedded database, which belongs to one process'
}

/** What works but is rarely meant, in sentences to log once at start. */
export function* warningsOf(values: Values): Iterable<string> {
  if (isOnlyPooled(values))
    yield "DATABASE_URL is Neon's pooled address, which can neither migrate nor announce ended sessions: set DATABASE_URL_UNPOOLED to the one without -pooler"
  if (values.TRUSTED_PROXIES.some((range) => range.endsWith('/0')))
    yield 'TRUSTED_PROXIES believes every peer: any client can choose the address that it is limited by'
}

function isOnlyPooled({ DATABASE_URL, DATABASE_URL_UNPOOLED }: Values): boolean {
  return DATABASE_URL !== undefined && DATABASE_URL_UNPOOLED === undefined && isPooledNeon(DATABASE_URL)
}

/** The host name of an address, in lower case and without brackets; empty when it has none. */
function hostOf(url: string): string {
  return (URL.parse(url)?.hostname ?? '').toLowerCase().replace(/^\[|\]$/g, '')
}

/** Whether a host name is this machine's own: `localhost`, a name below it, 127.0.0.0/8 or ::1. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '::1' ||
    (isIP(host) === 4 && host.startsWith('127.'))
  )
}

/** Whether an address of a database is one of Neon's endpoints. */
function isNeon(url: string): boolean {
  return hostOf(url).endsWith('.neon.tech')
}

/** Whether an address of a database is one of Neon's pooled endpoints, which can neither migrate nor LISTEN. */
function isPooledNeon(url: string): boolean {
  return isNeon(url) && (hostOf(url).split('.')[0] ?? '').endsWith('-pooler')
}

/**
 * Whether two hosts share a registrable domain of the public suffix list, its private part included, so that a browser
 * sends one's cookies on requests from the other: two names below `github.io` do not.
 */
function isSameSite(one: string, other: string): boolean {
  if (one === other) return true
  // The list costs some 10 ms and 10 MB, so it is loaded only where TRUSTED_ORIGINS has another host to judge.
  const { getDomain }: typeof import('tldts') = createRequire(import.meta.url)('tldts')
  const options = { allowPrivateDomains: true, extractHostname: false }
  const site = getDomain(one, options)
  return site !== null && site === getDomain(other, options)
}
