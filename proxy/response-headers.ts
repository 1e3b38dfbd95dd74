import { isBetterAuthCookie } from '../auth/better-auth-cookie-names.ts'
import { isEventStreamType, isHopByHop, listedInConnection } from '../auth/header-kinds.ts'
import { addToVary } from './add-to-list-header.ts'
import { type Cors, exposedBesides } from './cors.ts'
import type { RequestContext } from './request-context.ts'

/** What is known about a header name. */
export interface KnownName<T> {
  readonly name: string
  readonly about: T
}

// Cached names of one length. Searching more of them would take longer than making the string.
const keptAtMost = 16
const longestKept = 64

/**
 * A cache of header names and of what is known about each, looked up by the name's bytes. Making a string of every name of
 * every response would cost more than everything else that is done with it.
 */
export class HeaderNames<T> {
  readonly #describe: (name: string) => T
  readonly #byLength: (KnownName<T> & { readonly bytes: Uint8Array })[][] = []

  constructor(describe: (name: string) => T) {
    this.#describe = describe
  }

  /** The name of these latin1 bytes, and what is known about it. */
  of(raw: Buffer | string): KnownName<T> {
    const bytes = typeof raw === 'string' ? Buffer.from(raw, 'latin1') : raw
    let kept = this.#byLength[bytes.length]
    if (kept !== undefined) for (const known of kept) if (isSame(bytes, known.bytes)) return known
    const name = bytes.toString('latin1')
    if (bytes.length > longestKept) return { name, about: this.#describe(name) }
    // A copy, because the bytes lie in a buffer that is read into again.
    const known = { name, about: this.#describe(name), bytes: Uint8Array.from(bytes) }
    // A full list is replaced: were it kept, made-up names that came first would keep every later name uncached for good.
    if (kept === undefined || kept.length === keptAtMost) kept = this.#byLength[bytes.length] = []
    kept.push(known)
    return known
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false
  return true
}

// Characters that no field value and no field name may contain (RFC 9110, sections 5.5 and 5.6.2).
const invalidValue = /[^\t\x20-\x7e\x80-\xff]/
const invalidName = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/

/** The head of a response for the client. */
export interface ClientHead {
  /** Flat name/value pairs, duplicates and order kept. */
  readonly headers: string[]
  /** `Content-Length`, where the upstream sent one. */
  readonly length: number | undefined
  /** Whether an event stream follows, which stays open. */
  readonly isEventStream: boolean
}

/**
 * The response's head for the client: the upstream's headers, less those that belong to its connection, cannot be sent, or
 * set or clear one of BetterAuth's cookies, then the gateway's own headers. Without a length the client gets the
 * response in chunks if `mayBeChunked`; Node allows `Trailer` on no other.
 */
export function clientHead(
  raw: readonly (Buffer | string)[],
  context: RequestContext,
  cors: Cors,
  mayBeChunked = false
): ClientHead {
  const { identity, setCookies } = context
  const corsHeaders = cors.headers(context.raw)
  const headers: string[] = ['X-Request-Id', context.id]
  const vary: string[] = []
  const exposed: string[] = []
  const cacheControl: string[] = []
  let length: number | undefined
  let isEventStream = false
  let saysBuffering = false
  let trailer: string | undefined
  let connection: string | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const { name, about } = names.of(raw[i] ?? '')
    const { kind, lower } = about
    if (kind === 'drop') {
      if (lower === 'connection') connection = joined(connection, latin1(raw[i + 1]))
      continue
    }
    const value = latin1(raw[i + 1])
    if (invalidValue.test(value)) continue
    switch (kind) {
      case 'set-cookie':
        if (isBetterAuthCookie(value)) continue
        break
      case 'clear-site-data': {
        const left = withoutCookieClearing(value)
        if (left !== null) headers.push(name, left)
        continue
      }
      case 'cors':
        if (corsHeaders.length === 0) break
        if (lower === 'access-control-expose-headers') exposed.push(value)
        continue
      case 'for-caches':
        if (setCookies.length > 0) continue
        break
      case 'vary':
        vary.push(value)
        continue
      case 'cache-control':
        cacheControl.push(value)
        continue
      case 'content-length':
        length = Number(value)
        break
      case 'content-type':
        isEventStream = isEventStreamType(value)
        break
      case 'x-accel-buffering':
        saysBuffering = true
        break
      case 'trailer':
        trailer = joined(trailer, value)
        continue
    }
    headers.push(name, value)
  }
  const listed = listedInConnection(connection)
  // `Connection` may come after the headers that it lists, so the head is made again without them. This is rare.
  if (listed !== null) return clientHead(withoutListed(raw, listed), context, cors, mayBeChunked)
  if (trailer !== undefined && mayBeChunked && length === undefined) headers.push('Trailer', trailer)
  for (const cookie of setCookies) headers.push('Set-Cookie', cookie)
  if (corsHeaders.length > 0) headers.push(...corsHeaders, 'Access-Control-Expose-Headers', exposedBesides(exposed))
  // nginx would hold back the events until it has a buffer full of them.
  if (isEventStream && !saysBuffering) headers.push('X-Accel-Buffering', 'no')

  if (identity !== null || context.rule?.access === 'optional') addToVary(vary, 'Cookie')
  if (cors.active) addToVary(vary, 'Origin')
  for (const value of vary) headers.push('Vary', value)

  if (setCookies.length > 0) headers.push('Cache-Control', 'private, no-store')
  else if (cacheControl.length > 0) for (const value of cacheControl) headers.push('Cache-Control', value)
  else if (identity !== null) headers.push('Cache-Control', 'private')
  return { headers, length, isEventStream }
}

const special = [
  'set-cookie',
  'clear-site-data',
  'vary',
  'cache-control',
  'content-length',
  'content-type',
  'x-accel-buffering',
  'trailer'
] as const

interface Disposition {
  readonly lower: string
  readonly kind: 'pass' | 'drop' | 'cors' | 'for-caches' | (typeof special)[number]
}

// Headers that take precedence over `Cache-Control` for the caches that they address (RFC 9213).
const forCaches = /(?:^|-)cdn-cache-control$|^surrogate-control$/

const names = new HeaderNames<Disposition>(function dispositionOf(name) {
  const lower = name.toLowerCase()
  const dropped = name === '' || invalidName.test(name) || isHopByHop(lower) || lower === 'x-request-id'
  const kind = dropped
    ? 'drop'
    : lower.startsWith('access-control-')
      ? 'cors'
      : (special.find((each) => each === lower) ?? (forCaches.test(lower) ? 'for-caches' : 'pass'))
  return { lower, kind }
})

// Headers that must not be trailers, because they come too late there (RFC 9110, section 6.5.1).
const notInTrailers = new Set([
  'content-length',
  'host',
  'trailer',
  'content-encoding',
  'content-type',
  'content-range',
  'clear-site-data'
])

/** The upstream's trailers for the client, as pairs, less those that must not be trailers. */
export function clientTrailers(raw: readonly (Buffer | string)[]): [string, string][] {
  const trailers: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = latin1(raw[i])
    const value = latin1(raw[i + 1])
    const lower = name.toLowerCase()
    if (isHopByHop(lower) || notInTrailers.has(lower) || lower === 'x-request-id') continue
    if (name === '' || invalidName.test(name) || invalidValue.test(value)) continue
    if (lower === 'set-cookie' && isBetterAuthCookie(value)) continue
    trailers.push([name, value])
  }
  return trailers
}

/** The upstream's `103 Early Hints` as latin1 text for the client, with its `Link` headers alone. */
export function earlyHints(raw: readonly (Buffer | string)[]): string {
  let head = 'HTTP/1.1 103 Early Hints\r\n'
  for (let i = 0; i < raw.length; i += 2) {
    const value = latin1(raw[i + 1])
    if (latin1(raw[i]).toLowerCase() === 'link' && !invalidValue.test(value)) head += `Link: ${value}\r\n`
  }
  return `${head}\r\n`
}

function joined(list: string | undefined, more: string): string {
  return list === undefined ? more : `${list}, ${more}`
}

function withoutListed(raw: readonly (Buffer | string)[], listed: ReadonlySet<string>): (Buffer | string)[] {
  return raw.filter((_, i) => {
    const { lower } = names.of(raw[i - (i % 2)] ?? '').about
    return lower !== 'connection' && !listed.has(lower)
  })
}

function latin1(value: Buffer | string | undefined): string {
  return value === undefined ? '' : typeof value === 'string' ? value : value.toString('latin1')
}

// What `"*"` stands for in `Clear-Site-Data` (W3C Clear Site Data, section 3.1), less the cookies.
const everythingButCookies = ['cache', 'clientHints', 'executionContexts', 'prefetchCache', 'prerenderCache', 'storage']
  .map((type) => `"${type}"`)
  .join(', ')

/**
 * A `Clear-Site-Data` header that does not clear cookies, because BetterAuth's are among them. Null where it clears nothing
 * else.
 */
function withoutCookieClearing(header: string): string | null {
  if (!/cookies|\*/i.test(header)) return header
  const left = header
    .split(',')
    .map((directive) => directive.trim())
    .filter((directive) => !/cookies/i.test(directive))
    .map((directive) => (directive.includes('*') ? everythingButCookies : directive))
  return left.length === 0 ? null : left.join(', ')
}
