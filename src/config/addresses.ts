import { isIP } from 'node:net'
import { z } from 'zod'
import { refuse } from './scalars.ts'

function parse(text: string): URL | null {
  // The URL parser drops white space and turns backslashes round; an address that needs either is a typing error.
  return /[\s\\]/.test(text) ? null : URL.parse(text)
}

function isBareOrigin(url: URL): boolean {
  return (
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.hostname !== '' &&
    !url.hostname.includes('*') &&
    url.username === '' &&
    url.password === '' &&
    url.pathname === '/' &&
    !/[?#]/.test(url.href)
  )
}

/** The origin of an http or https address that has nothing but an origin, without a trailing slash; null otherwise. */
export function readOrigin(text: string): string | null {
  const url = parse(text)
  return url !== null && isBareOrigin(url) ? url.origin : null
}

/** A public origin. */
export const origin = z.string().transform((text, context) => {
  const known = readOrigin(text)
  return (
    known ?? refuse(context, 'must be an origin such as https://example.com, without path, query or user information')
  )
})

/** Where FastAPI listens: an http or https origin, or `unix:/absolute/path`. */
export const upstream = z.string().transform((text, context) => {
  if (/^unix:\/(?!\/)[^?#\0]+$/.test(text)) return text
  return (
    readOrigin(text) ??
    refuse(
      context,
      'must be http://host:port, https://host:port or unix:/path, without path, query or user information'
    )
  )
})

/** A `host` or `host:port` in lower case, IPv6 in brackets; null when it is something else. */
export function readHost(text: string): string | null {
  const port = /:(\d{1,5})$/.exec(text)?.[1]
  if (/[/?#@*]/.test(text) || (port !== undefined && Number(port) > 65535)) return null
  const url = parse(`http://${text}`)
  if (url === null || !isBareOrigin(url)) return null
  return port === undefined ? url.hostname : `${url.hostname}:${Number(port)}`
}

/** `host:port`, both required. */
export const hostAndPort = z.string().transform((text, context) => {
  const host = readHost(text)
  return host !== null && /:\d+$/.test(host) && !host.endsWith(']')
    ? host
    : refuse(context, 'must be host:port, without a scheme')
})

const named: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']
}

/** The addresses and CIDRs that one item of TRUSTED_PROXIES stands for; null when it is none. */
export function readProxies(text: string): readonly string[] | null {
  const known = Object.hasOwn(named, text) ? named[text] : undefined
  if (known !== undefined) return known
  const [address = '', prefix, ...rest] = text.split('/')
  const family = address.includes('%') ? 0 : isIP(address)
  if (family === 0 || rest.length > 0) return null
  if (prefix === undefined) return [address]
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  return bits >= 0 && bits <= (family === 4 ? 32 : 128) ? [`${address}/${bits}`] : null
}

/** An address of a PostgreSQL server. */
export const databaseUrl = z.string().transform((text, context) => {
  const url = parse(text)
  if (url !== null && (url.protocol === 'postgres:' || url.protocol === 'postgresql:')) return text
  return refuse(
    context,
    'must be postgres://user:password@host:port/database, with special characters of the password percent-encoded'
  )
})

/** The host name of an address, in lower case and without brackets; empty when it has none. */
export function hostOf(url: string): string {
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
export function isNeon(url: string): boolean {
  return hostOf(url).endsWith('.neon.tech')
}

/** Whether an address of a database is one of Neon's pooled endpoints, which can neither migrate nor LISTEN. */
export function isPooledNeon(url: string): boolean {
  return isNeon(url) && (hostOf(url).split('.')[0] ?? '').endsWith('-pooler')
}

// Registries such as co.uk and com.au: below them the registrable domain has three labels, not two.
const registryLabels = new Set(['ac', 'co', 'com', 'edu', 'gob', 'gov', 'net', 'ne', 'or', 'org'])

function siteOf(host: string): string {
  const labels = host.split('.')
  const [second = '', top = ''] = labels.slice(-2)
  return labels.slice(top.length === 2 && registryLabels.has(second) ? -3 : -2).join('.')
}

/**
 * Whether two hosts are of one site, so that a browser sends one's cookies on requests from the other. Told without the
 * public suffix list: the same host, or the same last two labels (three below registries such as co.uk).
 */
export function isSameSite(one: string, other: string): boolean {
  if (one === other) return true
  if (isLoopback(one) || isLoopback(other) || isIP(one) !== 0 || isIP(other) !== 0) return false
  return one.includes('.') && siteOf(one) === siteOf(other)
}
