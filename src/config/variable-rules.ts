import { certificateProblem, hostOf, isLoopback, isNeon, isPooledNeon, isSameSite } from './value-types.ts'
import type { Values, VariableName } from './variables.ts'

/** What the rules between variables are told: all values, which of them were given, and which could not be read. */
export interface Given {
  values: Values
  production: boolean
  driver: 'pglite' | 'pg' | 'neon'
  /** Whether a variable was set, readable or not. */
  has(name: VariableName): boolean
  /** Whether a variable was set to something that could not be read, so that it stands at its default. */
  isBad(name: VariableName): boolean
}

type Rule = (given: Given) => string[]

/** Which driver the variables ask for: the one that is named, else the one that the address needs, else the embedded one. */
export function driverOf(values: Pick<Values, 'DATABASE_DRIVER' | 'DATABASE_URL'>): Given['driver'] {
  if (values.DATABASE_DRIVER !== undefined) return values.DATABASE_DRIVER
  if (values.DATABASE_URL === undefined) return 'pglite'
  return isNeon(values.DATABASE_URL) ? 'neon' : 'pg'
}

/** The production rules hold where NODE_ENV says so, and where the public origin, well written or not, is not this machine. */
export function isProduction(nodeEnv: string | undefined, publicUrl: string | undefined): boolean {
  const host = hostOf(publicUrl ?? '')
  return nodeEnv === 'production' || (host !== '' && !isLoopback(host))
}

const production: Rule = ({ values, production, has }) => {
  if (!production) return []
  const problems: string[] = []
  const url = values.BETTER_AUTH_URL
  if (!has('BETTER_AUTH_URL')) problems.push('BETTER_AUTH_URL: is required in production: the public origin')
  if (url?.startsWith('http:') === true && !isLoopback(hostOf(url)))
    problems.push('BETTER_AUTH_URL: must be https in production')
  if (!has('BETTER_AUTH_SECRET'))
    problems.push('BETTER_AUTH_SECRET: is required in production: at least 32 random characters')
  if (!has('DATABASE_URL') && !has('DATABASE_DRIVER'))
    problems.push(
      'DATABASE_URL: is required in production; to use the embedded database, ask for it with DATABASE_DRIVER=pglite'
    )
  return problems
}

const database: Rule = ({ values, driver, has, isBad }) => {
  const problems: string[] = []
  if (isBad('DATABASE_DRIVER')) return problems
  if (driver === 'pglite') {
    if (has('DATABASE_URL') && values.DATABASE_DRIVER === 'pglite')
      problems.push('DATABASE_URL: has no use with DATABASE_DRIVER=pglite; remove one of them')
    if (has('DATABASE_URL_UNPOOLED') && !has('DATABASE_URL'))
      problems.push('DATABASE_URL_UNPOOLED: has no use without DATABASE_URL')
  } else if (!has('DATABASE_URL')) problems.push(`DATABASE_URL: is required by DATABASE_DRIVER=${driver}`)
  if (has('NEON_WS_PROXY') && driver !== 'neon' && !isBad('DATABASE_URL'))
    problems.push("NEON_WS_PROXY: is for Neon's driver only; set DATABASE_DRIVER=neon or remove it")
  if (values.DATABASE_URL_UNPOOLED !== undefined && isPooledNeon(values.DATABASE_URL_UNPOOLED))
    problems.push("DATABASE_URL_UNPOOLED: is Neon's pooled address; take the one without -pooler")
  if (values.SESSION_EVENTS === 'listen' && isOnlyPooled(values))
    problems.push(
      "SESSION_EVENTS: cannot listen through Neon's pooled address; set DATABASE_URL_UNPOOLED to the one without -pooler"
    )
  return problems
}

const origins: Rule = ({ values, isBad }) => {
  if (isBad('BETTER_AUTH_URL')) return []
  const publicUrl = values.BETTER_AUTH_URL ?? 'http://localhost'
  const host = hostOf(publicUrl)
  return values.TRUSTED_ORIGINS.flatMap((origin, index) => {
    const item = `TRUSTED_ORIGINS: item ${index + 1} of the list`
    const other = hostOf(origin)
    const problems: string[] = []
    if (!isSameSite(host, other) && !(isLoopback(host) && isLoopback(other)))
      problems.push(`${item} must be on the same registrable domain as BETTER_AUTH_URL: cookies do not cross sites`)
    if (publicUrl.startsWith('https:') && origin.startsWith('http:'))
      problems.push(`${item} must be https, as BETTER_AUTH_URL is`)
    return problems
  })
}

const listeners: Rule = ({ values, isBad }) => {
  const everywhere = ['0.0.0.0', '::']
  const overlap =
    values.HOST === values.ADMIN_HOST || everywhere.includes(values.HOST) || everywhere.includes(values.ADMIN_HOST)
  const unread = (['HOST', 'PORT', 'ADMIN_HOST', 'ADMIN_PORT'] as const).some(isBad)
  if (unread || values.PORT === 0 || values.PORT !== values.ADMIN_PORT || !overlap) return []
  return ["ADMIN_PORT: is PORT too; operators' endpoints need a port of their own"]
}

const upstream: Rule = ({ values, isBad }) => {
  const file = values.UPSTREAM_CA_FILE
  if (file === undefined || isBad('UPSTREAM_URL')) return []
  if (!values.UPSTREAM_URL.startsWith('https:'))
    return ['UPSTREAM_CA_FILE: has no use unless UPSTREAM_URL is https; remove it or use https']
  const problem = certificateProblem(file)
  return problem === null ? [] : [`UPSTREAM_CA_FILE: ${problem}`]
}

// `auto` is refused too, whatever this machine has: how many cores there are must not decide whether a gateway starts.
const workers: Rule = ({ values, driver, isBad }) =>
  values.WORKERS !== 1 && driver === 'pglite' && !isBad('DATABASE_URL') && !isBad('DATABASE_DRIVER')
    ? ['WORKERS: must be 1 with the embedded database, which belongs to one process']
    : []

const rules: readonly Rule[] = [production, database, origins, listeners, upstream, workers]

/** Every problem that lies between variables rather than in one of them. A rule is silent about a variable that could not be read. */
export function brokenRules(given: Given): string[] {
  return rules.flatMap((rule) => rule(given))
}

/** What works but is rarely meant, in sentences to log once at start. */
export function warningsOf(values: Values): string[] {
  const warnings: string[] = []
  if (isOnlyPooled(values))
    warnings.push(
      "DATABASE_URL is Neon's pooled address, which can neither migrate nor announce ended sessions: set DATABASE_URL_UNPOOLED to the one without -pooler"
    )
  if (values.TRUSTED_PROXIES.some((range) => range.endsWith('/0')))
    warnings.push('TRUSTED_PROXIES believes every peer: any client can choose the address that it is limited by')
  return warnings
}

function isOnlyPooled({ DATABASE_URL, DATABASE_URL_UNPOOLED }: Values): boolean {
  return DATABASE_URL !== undefined && DATABASE_URL_UNPOOLED === undefined && isPooledNeon(DATABASE_URL)
}
