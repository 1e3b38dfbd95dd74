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

function isHere(host: string): boolean {
  return host.startsWith('/') || isLoopback(host.toLowerCase().replace(/^\[|\]$/g, ''))
}
