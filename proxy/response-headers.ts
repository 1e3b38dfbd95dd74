import { isBetterAuthCookie, withoutCookieClearing } from './cookies.ts'
import { HeaderNames } from './header-names.ts'
import { isHopByHop, listedInConnection } from './hop-by-hop.ts'

/** What the gateway adds to an upstream's response, and what it therefore takes out of it. */
export interface ResponseMarks {
  readonly requestId: string
  /** An answer about one person, or one that would differ for another: shared caches have to be told. */
  readonly personal: boolean
  readonly variesByCookie: boolean
  /** The gateway's own `Set-Cookie` values. */
  readonly setCookies: readonly string[]
  /** CORS headers for a trusted origin, as flat pairs; they replace the upstream's. */
  readonly cors: readonly string[]
  readonly variesByOrigin: boolean
}

// RFC 9110, section 5.5 and 5.6.2: what a field value and a field name may be made of.
const invalidValue = /[^\t\x20-\x7e\x80-\xff]/
const invalidName = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/

/** The head of a response for the client. */
export interface ClientHead {
  /** Flat name/value pairs, duplicates and order kept. */
  readonly headers: string[]
  /** Bytes, where they are declared. */
  readonly length: number | undefined
  /** Whether it begins an event stream, which stays open. */
  readonly isEventStream: boolean
  /** Whether it announces trailers, which Node refuses to do on any response but a chunked one. */
  readonly announcesTrailers: boolean
}

/**
 * The head for the client: the upstream's less what belongs to its connection, cannot be sent, or sets or clears a
 * cookie of BetterAuth's, then the gateway's own.
 */
export function clientHead(raw: readonly (Buffer | string)[], marks: ResponseMarks): ClientHead {
  const headers: string[] = ['X-Request-Id', marks.requestId]
  const vary: string[] = []
  const cacheControl: string[] = []
  let length: number | undefined
  let isEventStream = false
  let announcesTrailers = false
  let connection: string | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const {
      name,
      about: { kind, lower }
    } = names.of(raw[i] ?? '')
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
        if (marks.cors.length > 0) continue
        break
      case 'for-caches':
        if (marks.setCookies.length > 0) continue
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
        isEventStream = /^text\/event-stream\b/i.test(value)
        break
      case 'trailer':
        announcesTrailers = true
        break
    }
    headers.push(name, value)
  }
  const listed = listedInConnection(connection)
  // Rarely: it may have come after what it lists.
  if (listed !== null) return clientHead(withoutListed(raw, listed), marks)
  for (const cookie of marks.setCookies) headers.push('Set-Cookie', cookie)
  headers.push(...marks.cors)

  if (marks.variesByCookie) addToList(vary, 'Cookie')
  if (marks.variesByOrigin) addToList(vary, 'Origin')
  for (const value of vary) headers.push('Vary', value)

  if (marks.setCookies.length > 0) headers.push('Cache-Control', 'private, no-store')
  else if (cacheControl.length > 0) for (const value of cacheControl) headers.push('Cache-Control', value)
  else if (marks.personal) headers.push('Cache-Control', 'private')
  return { headers, length, isEventStream, announcesTrailers }
}

/** The same pairs without an announcement of trailers. */
export function withoutTrailer({ headers, announcesTrailers }: ClientHead): string[] {
  if (!announcesTrailers) return headers
  return headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== 'trailer')
}

const special = [
  'set-cookie',
  'clear-site-data',
  'vary',
  'cache-control',
  'content-length',
  'content-type',
  'trailer'
] as const

interface Disposition {
  readonly lower: string
  readonly kind: 'pass' | 'drop' | 'cors' | 'for-caches' | (typeof special)[number]
}

// What outranks `Cache-Control` for the caches that it is meant for (RFC 9213).
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

// What a trailer may not say, because it comes too late (RFC 9110, section 6.5.1).
const notInTrailers = new Set([
  'content-length',
  'host',
  'trailer',
  'content-encoding',
  'content-type',
  'content-range',
  'clear-site-data'
])

/** The upstream's trailers for the client, as pairs, less what may not stand there. */
export function clientTrailers(raw: readonly (Buffer | string)[]): [string, string][] {
  const trailers: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = latin1(raw[i])
    const value = latin1(raw[i + 1])
    const lower = name.toLowerCase()
    if (isHopByHop(lower) || notInTrailers.has(lower) || lower === 'x-request-id' || !isSendable(name, value)) continue
    if (lower === 'set-cookie' && isBetterAuthCookie(value)) continue
    trailers.push([name, value])
  }
  return trailers
}

/** The upstream's `103 Early Hints` as bytes for the client: its links, and nothing that is about anybody. */
export function earlyHints(raw: readonly (Buffer | string)[]): string {
  let head = 'HTTP/1.1 103 Early Hints\r\n'
  for (let i = 0; i < raw.length; i += 2) {
    const value = latin1(raw[i + 1])
    if (latin1(raw[i]).toLowerCase() === 'link' && !invalidValue.test(value)) head += `Link: ${value}\r\n`
  }
  return `${head}\r\n`
}

function isSendable(name: string, value: string): boolean {
  return name !== '' && !invalidName.test(name) && !invalidValue.test(value)
}

function addToList(values: string[], name: string): void {
  const lower = name.toLowerCase()
  const items = values.flatMap((value) => value.split(',')).map((item) => item.trim().toLowerCase())
  if (items.includes('*') || items.includes(lower)) return
  const last = values.pop()
  values.push(last === undefined || last.trim() === '' ? name : `${last}, ${name}`)
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
