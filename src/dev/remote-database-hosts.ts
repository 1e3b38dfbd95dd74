import { isIP } from 'node:net'
import type { Config } from '../config/environment.ts'
import { isLoopback } from '../config/rules-between-variables.ts'

/**
 * The hosts of a database that is not on this machine, as its addresses name them; none where it is: the embedded one, one
 * on a loopback address or on a Unix socket. A tunnel on a loopback address looks like a database here.
 */
export function remoteDatabaseHosts(
  { database }: Pick<Config, 'database'>,
  env: { PGHOST?: string | undefined }
): string[] {
  if (database.driver === 'pglite') return []
  const hosts = [database.url, database.unpooledUrl].flatMap((url) => (url === undefined ? [] : hostsIn(url, env)))
  if (database.driver === 'neon' && database.neonWsProxy !== undefined)
    hosts.push(URL.parse(`http://${database.neonWsProxy}`)?.hostname ?? database.neonWsProxy)
  return [...new Set(hosts.filter((host) => !isHere(host)))]
}

// node-postgres lets parameters of the address override its host, and without either reads PGHOST.
function hostsIn(address: string, { PGHOST: fallback }: { PGHOST?: string | undefined }): string[] {
  const url = URL.parse(address)
  if (url === null) return ['an address that cannot be read']
  const given = ['host', 'hostaddr'].flatMap((name) => url.searchParams.getAll(name)).flatMap((list) => list.split(','))
  const named = [...given, decodeURIComponent(url.hostname)].filter((host) => host !== '')
  return named.length > 0 ? named : [fallback === undefined || fallback === '' ? 'localhost' : fallback]
}

// A name below `localhost` may lead elsewhere when it is looked up.
function isHere(given: string): boolean {
  const host = given.toLowerCase().replace(/^\[|\]$/g, '')
  return host.startsWith('/') || host === 'localhost' || (isIP(host) !== 0 && isLoopback(host))
}

/** What to do about a database on these hosts, of which nobody has said that it is meant. */
export function remoteDatabaseProblem(hosts: readonly string[]): string {
  return `DATABASE_URL: is on ${hosts.join(' and ')}, and development belongs on a database of this machine: unset it to use the embedded one, or add --remote-database, which asks first`
}
