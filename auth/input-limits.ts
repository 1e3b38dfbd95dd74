import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthMiddleware } from 'better-auth/api'
import { inputRefused } from './refusals.ts'

/** How long a text may be, in UTF-16 code units, by the name of its field, at whatever depth. */
const maxLengths = {
  email: 254,
  newEmail: 254,
  name: 200,
  username: 200,
  displayUsername: 200,
  image: 2_048,
  // Identity providers and their administrators send these whole; only the limit on the body holds for them.
  SAMLResponse: Number.POSITIVE_INFINITY,
  SAMLRequest: Number.POSITIVE_INFINITY,
  metadata: Number.POSITIVE_INFINITY
}
const maxLengthByField: ReadonlyMap<string, number> = new Map(Object.entries(maxLengths))
/** The fields in which a password is sent. */
export const passwordFields: ReadonlySet<string> = new Set(['password', 'newPassword', 'currentPassword'])
// What BetterAuth's OAuth provider takes for a text without looking.
const texts: ReadonlySet<string> = new Set(['oauth_query'])
// What BetterAuth's username plugin takes for a text without looking, wherever a user is made or changed. Deeper in a body
// these are somebody else's fields.
const textsOfUsers: ReadonlySet<string> = new Set(['username', 'displayUsername'])
// Hooks of BetterAuth's username and phone number plugins read fields of these bodies before BetterAuth looks at their type.
const takesFields: ReadonlySet<string> = new Set(['/sign-up/email', '/update-user'])
const defaultPasswordLength = 128
// An id token with all its claims is the longest of the other texts.
const maxLengthOfOthers = 16_384
const maxLengthOfFieldNames = 256
// Postgres stores no NUL in a text. An unpaired surrogate is no UTF-8, and would be stored as another character.
const malformedInQuery = /%00|%ed%[ab][\da-f]%/i

/** Throws REQUEST_INVALID for a query with a NUL or an unpaired surrogate in it. */
export function requireSaneQuery(url: string): void {
  const query = url.indexOf('?')
  if (query !== -1 && malformedInQuery.test(url.slice(query))) throw inputRefused()
}

/** Throws REQUEST_INVALID for a body without fields where BetterAuth's plugins would fail on one, and for a user's name that is no text. */
function requireFields(body: unknown, path: string): void {
  if (!isPlainObject(body)) {
    if (takesFields.has(path)) throw inputRefused()
    return
  }
  for (const field of textsOfUsers) {
    const value = body[field]
    if (value !== undefined && value !== null && typeof value !== 'string') throw inputRefused(field)
  }
}

interface Found {
  readonly field: string
  readonly value: unknown
  /** What the value is in, and where there; undefined for the input itself. */
  readonly place?: readonly [holder: object, key: string | number]
}

/**
 * Throws REQUEST_INVALID when a text in a parsed body or query is too long for its field, or holds a NUL or an unpaired
 * surrogate, field names included, or is no text where one has to be, or is a return address that leads to another origin
 * once its dot segments are gone, or that fits no header; for a password that is too long BetterAuth's own
 * PASSWORD_TOO_LONG. A return address with letters that are not ASCII is percent-encoded in its place. One pass, at any
 * depth.
 */
export function requireSaneInput(input: unknown, maxPasswordLength = defaultPasswordLength): void {
  const waiting: Found[] = [{ field: '', value: input }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { field, value, place } = next
    if (typeof value === 'string') {
      requireSaneText(value, field, maxPasswordLength)
      if (place !== undefined && addressFields.test(field)) encodeAddress(value, field, place)
    } else if (texts.has(field) && value !== null) throw inputRefused(field)
    else if (Array.isArray(value))
      for (const [index, item] of value.entries()) waiting.push({ field, value: item, place: [value, index] })
    else if (isPlainObject(value)) {
      for (const [name, inner] of Object.entries(value)) {
        if (name.length > maxLengthOfFieldNames || isMalformed(name)) throw inputRefused()
        waiting.push({ field: name, value: inner, place: [value, name] })
      }
    }
  }
}

function requireSaneText(text: string, field: string, maxPasswordLength: number): void {
  if (passwordFields.has(field) && text.length > maxPasswordLength)
    throw new APIError('BAD_REQUEST', { code: 'PASSWORD_TOO_LONG', message: 'Password too long' })
  const maxLength = maxLengthByField.get(field) ?? maxLengthOfOthers
  if (text.length > maxLength || isMalformed(text)) throw inputRefused(field)
  if (addressFields.test(field) && (controls.test(text) || becomesForeign(text))) throw inputRefused(field)
}

const addressFields = /callback|redirect/i

// BetterAuth takes `/.//evil.example` for a path of this origin, which it is, and redirects to what is left of it once its
// dot segments are gone: `//evil.example`, an address of another origin (RFC 3986, sections 4.2 and 5.2.4).
function becomesForeign(text: string): boolean {
  return text.startsWith('/') && (URL.parse(text, 'http://localhost')?.pathname.startsWith('//') ?? true)
}

// No header holds one (RFC 9110, section 5.5), and the URL parser drops some of them: what was judged is not what is followed.
const controls = /[\u0000-\u001f\u007f]/
const notAscii = /[^\u0000-\u007f]+/g

// BetterAuth writes a return address into `Location` as it came, when all is done: a letter above U+00FF is refused there,
// after the session began, and one below it is sent as Latin-1, which browsers do not read alike.
function encodeAddress(text: string, field: string, [holder, key]: readonly [object, string | number]): void {
  const encoded = text.startsWith('/') ? text.replaceAll(notAscii, encodeURIComponent) : asciiAddress(text)
  if (encoded === text) return
  if (encoded === undefined || !Reflect.set(holder, key, encoded)) throw inputRefused(field)
}

// A host that is not ASCII has a form of its own (IDNA), which the URL parser knows.
function asciiAddress(text: string): string | undefined {
  if (text.search(notAscii) === -1) return text
  return isOverlong(text) ? undefined : URL.parse(text)?.href
}

function isMalformed(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed()
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

/**
 * Checks what a request says right after its attempts were counted and before anything is done with it, and has BetterAuth
 * trust no address that is overlong, without parsing it. It keeps what is stored about a user within the same limits, wherever it comes from, identity providers' profiles above all: a name is
 * cut, an image address that is too long is left out, an email address that is too long is refused.
 */
export function limitInput(maxPasswordLength: number | undefined): BetterAuthPlugin {
  const check = createAuthMiddleware(async ({ path, body, query, params }) => {
    requireFields(body, path)
    for (const input of [body, query, params]) requireSaneInput(input, maxPasswordLength)
  })
  const before = async (user: Readonly<Record<string, unknown>>) => ({ data: storable(user) })
  return {
    id: 'gatehouse-input',
    hooks: { before: [{ matcher: () => true, handler: check }] },
    init: ({ isTrustedOrigin }) => ({
      options: { databaseHooks: { user: { create: { before }, update: { before } } } },
      context: {
        isTrustedOrigin(address, settings) {
          return !isOverlong(address) && isTrustedOrigin.call(this, address, settings)
        }
      }
    })
  }
}

function storable({ email, name, image }: Readonly<Record<string, unknown>>): Record<string, string | null> {
  const isUnfit = (text: string, maxLength: number) => text.length > maxLength || isMalformed(text)
  if (typeof email === 'string' && isUnfit(email, maxLengths.email))
    throw new APIError('BAD_REQUEST', { code: 'INVALID_EMAIL', message: 'Invalid email' })
  return {
    ...(typeof name === 'string' && { name: shortName(name) }),
    ...(typeof image === 'string' && isUnfit(image, maxLengths.image) && { image: null })
  }
}

/** The beginning of a name, as much as may be stored, without NULs and unpaired surrogates. */
export function shortName(name: string): string {
  const start = name.slice(0, maxLengths.name)
  // The cut may have gone through a surrogate pair.
  const whole = start.length < name.length && !start.isWellFormed() ? start.slice(0, -1) : start
  return whole.replaceAll('\0', '').toWellFormed()
}

/** Characters: a host has 253 at most (RFC 1035, section 2.3.4), and user and port may stand beside it. */
const longestAuthority = 320

// What the URL parser removes from an address before it reads it (URL standard, basic URL parser, steps 1 and 3).
const removedByParser = /[\t\n\r]/g
const authority = /^[\u0000-\u0020]*[a-z][a-z0-9+.-]*:[/\\]*([^/\\?#]*)/i

/**
 * Whether an address names a host at a length that no host has. Node's URL parser takes time that grows with the square
 * of the length of a host that is not ASCII, 0.1 s for 5,000 characters, so such an address must not be parsed.
 */
export function isOverlong(address: string): boolean {
  if (address.length <= longestAuthority) return false
  const [, named = ''] = authority.exec(address.replaceAll(removedByParser, '')) ?? []
  return named.length > longestAuthority
}

/** The origin of an address that a client named; undefined where it has none, or is overlong. */
export function originOf(address: string): string | undefined {
  return isOverlong(address) ? undefined : URL.parse(address)?.origin
}
