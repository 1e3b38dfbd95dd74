import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { z } from 'zod'
import { codeOf } from '../../db/narrowing.ts'

/** Says what is wrong with a variable, never what was in it, and stops reading it. */
export function refuse(context: z.core.$RefinementCtx, message: string): never {
  context.issues.push({ code: 'custom', message, input: undefined })
  return z.NEVER
}

/** What `read` makes of a text; where it answers null, the problem is `message`. */
function readBy<T>(read: (text: string) => T | null, message: string) {
  return z.string().transform((text, context): T => read(text) ?? refuse(context, message))
}

function numberIn(from: number, to: number, spelling: RegExp, text: string): number | null {
  const number = Number(text)
  return spelling.test(text) && number >= from && number <= to ? number : null
}

/** A whole number between two bounds, both allowed. */
export function wholeNumber(from: number, to: number) {
  return readBy((text) => numberIn(from, to, /^\d{1,16}$/, text), `must be a whole number from ${from} to ${to}`)
}

/** Seconds, with up to three decimals, read as milliseconds. */
export function seconds(from: number, to: number) {
  return readBy(
    (text) => numberIn(from, to, /^\d{1,9}(\.\d{1,3})?$/, text),
    `must be a number of seconds from ${from} to ${to}`
  ).transform((number) => Math.round(number * 1000))
}

/** Exactly `true` or `false`. */
export const yesOrNo = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true')

/** The address or host name of a listener, as Node's `listen` takes it. */
export const listenHost = readBy((text) => {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  const isName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(bare)
  return isName || isIP(bare) !== 0 ? bare : null
}, 'must be an address or a host name, without a port')

/** Number of worker processes. */
export const workerCount = readBy(
  (text): number | 'auto' | null => (text === 'auto' ? text : numberIn(1, 128, /^\d{1,3}$/, text)),
  'must be a whole number from 1 to 128, or auto'
)

/** A path that is answered on the public listener whatever the policy says, so it must not hide an auth route. */
export const healthPath = z.string().transform((text, context) => {
  if (!/^(\/[A-Za-z0-9._~-]+)+$/.test(text) || text.split('/').some((segment) => segment === '.' || segment === '..'))
    return refuse(context, 'must be an absolute path of letters, digits, ".", "_", "~" and "-", such as /healthz')
  if (/^\/(api\/auth|auth)(\/|$)/.test(text)) return refuse(context, 'must not lie under /api/auth or /auth')
  return text
})

/** A header value: visible ASCII, no spaces. */
export const headerToken = z.string().regex(/^[!-~]{1,4096}$/, 'must be visible ASCII characters without spaces')

/** A path on this machine, made absolute. */
export function pathFrom(cwd: string) {
  return z
    .string()
    .refine((text) => !text.includes('\0'), 'must be a path')
    .transform((text) => resolve(cwd, text))
}

/** The items of a comma list, trimmed; an empty item is a problem. */
export function commaList<T>(read: (item: string) => T | null, expected: string) {
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
export const origin = readBy(
  readOrigin,
  'must be an origin such as https://example.com, without path, query or user information'
)

/** The address of a server behind the gateway: an http or https origin, or `unix:/absolute/path`. */
export const upstream = readBy(
  (text) => (/^unix:\/(?!\/)[^?#\0]+$/.test(text) ? text : readOrigin(text)),
  'must be http://host:port, https://host:port or unix:/path, without path, query or user information'
)

/** A `host` or `host:port` in lower case, IPv6 in brackets; null when it is something else. */
export function readHost(text: string): string | null {
  const port = /:(\d{1,5})$/.exec(text)?.[1]
  if (/[/?#@*]/.test(text) || (port !== undefined && Number(port) > 65535)) return null
  const url = parse(`http://${text}`)
  if (url === null || !isBareOrigin(url)) return null
  return port === undefined ? url.hostname : `${url.hostname}:${Number(port)}`
}

/** `host:port`, both required. */
export const hostAndPort = readBy((text) => {
  const host = readHost(text)
  return host !== null && /:\d+$/.test(host) && !host.endsWith(']') ? host : null
}, 'must be host:port, without a scheme')

const namedRanges: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']
}

/** The addresses and CIDRs that one item of TRUSTED_PROXIES stands for; null when it is none. */
export function readProxies(text: string): readonly string[] | null {
  const known = Object.hasOwn(namedRanges, text) ? namedRanges[text] : undefined
  if (known !== undefined) return known
  const [address = '', prefix, ...rest] = text.split('/')
  const family = address.includes('%') ? 0 : isIP(address)
  if (family === 0 || rest.length > 0) return null
  if (prefix === undefined) return [address]
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  return bits >= 0 && bits <= (family === 4 ? 32 : 128) ? [`${address}/${bits}`] : null
}

/** An address of a PostgreSQL server. */
export const databaseUrl = readBy(
  (text) => (['postgres:', 'postgresql:'].includes(parse(text)?.protocol ?? '') ? text : null),
  'must be postgres://user:password@host:port/database, with special characters of the password percent-encoded'
)

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

/**
 * Whether two hosts share a registrable domain of the public suffix list, its private part included, so that a browser
 * sends one's cookies on requests from the other: two names below `github.io` do not.
 */
export function isSameSite(one: string, other: string): boolean {
  if (one === other) return true
  // The list costs some 10 ms and 10 MB, so it is loaded only where TRUSTED_ORIGINS has another host to judge.
  const { getDomain }: typeof import('tldts') = createRequire(import.meta.url)('tldts')
  const options = { allowPrivateDomains: true, extractHostname: false }
  const site = getDomain(one, options)
  return site !== null && site === getDomain(other, options)
}

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
