import { APIError, createAuthMiddleware } from 'better-auth/api'
import type { BetterAuthOptions } from 'better-auth/minimal'
import { inputRefused } from './refusals.ts'

type Plugin = NonNullable<BetterAuthOptions['plugins']>[number]

/** How long a text may be, in UTF-16 code units, by the name under which it comes; at whatever depth. */
const mostByName: Readonly<Record<string, number>> = {
  email: 254,
  newEmail: 254,
  name: 200,
  username: 200,
  displayUsername: 200,
  image: 2_048,
  // What identity providers and their administrators send whole; the limit on bodies is theirs.
  SAMLResponse: Number.POSITIVE_INFINITY,
  SAMLRequest: Number.POSITIVE_INFINITY,
  metadata: Number.POSITIVE_INFINITY
}
const passwords = new Set(['password', 'newPassword', 'currentPassword'])
// An id token with all its claims is the longest of what is left.
const mostElsewhere = 16_384
const mostOfAName = 256
const usualPassword = 128
// NUL is what Postgres takes in no text; half a character is no UTF-8, and would be stored as something else.
const badInQuery = /%00|%ed%[ab][\da-f]%/i

/** Throws REQUEST_INVALID for a query with a NUL or with half a character in it. */
export function requireSaneQuery(url: string): void {
  const query = url.indexOf('?')
  if (query !== -1 && badInQuery.test(url.slice(query))) throw inputRefused()
}

/**
 * Throws REQUEST_INVALID when a text in a parsed body or query is too long for its name, or holds a NUL or half a
 * character, names included; for a password that is too long BetterAuth's own PASSWORD_TOO_LONG. One pass, of any depth.
 */
export function requireSaneInput(input: unknown, mostOfPassword = usualPassword): void {
  const waiting: { name: string; value: unknown }[] = [{ name: '', value: input }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { name, value } = next
    if (typeof value === 'string') requireSaneText(value, name, mostOfPassword)
    else if (Array.isArray(value)) for (const item of value) waiting.push({ name, value: item })
    else if (isPlain(value)) {
      for (const [key, inner] of Object.entries(value)) {
        if (key.length > mostOfAName || isBroken(key)) throw inputRefused()
        waiting.push({ name: key, value: inner })
      }
    }
  }
}

function requireSaneText(text: string, name: string, mostOfPassword: number): void {
  if (passwords.has(name) && text.length > mostOfPassword)
    throw new APIError('BAD_REQUEST', { code: 'PASSWORD_TOO_LONG', message: 'Password too long' })
  const most = Object.hasOwn(mostByName, name) ? mostByName[name] : mostElsewhere
  if (text.length > (most ?? mostElsewhere) || isBroken(text)) throw inputRefused(name)
}

function isBroken(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed()
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

/**
 * Looks at what a request says before anything is done with it, right behind the counting of attempts; and keeps what is
 * stored about a user within the same limits, wherever it comes from, providers' profiles above all: a name is cut, an
 * image that is too long is left out, an address that is too long is refused.
 */
export function limitInput(mostOfPassword: number | undefined): Plugin {
  const judge = createAuthMiddleware(async ({ body, query, params }) => {
    for (const input of [body, query, params]) requireSaneInput(input, mostOfPassword)
  })
  const before = async (user: Readonly<Record<string, unknown>>) => ({ data: storable(user) })
  return {
    id: 'gatehouse-input',
    hooks: { before: [{ matcher: () => true, handler: judge }] },
    init: () => ({ options: { databaseHooks: { user: { create: { before }, update: { before } } } } })
  }
}

function storable({ email, name, image }: Readonly<Record<string, unknown>>): Record<string, string | null> {
  if (typeof email === 'string' && (email.length > 254 || isBroken(email)))
    throw new APIError('BAD_REQUEST', { code: 'INVALID_EMAIL', message: 'Invalid email' })
  const data: Record<string, string | null> = {}
  if (typeof name === 'string') data['name'] = shortName(name)
  if (typeof image === 'string' && (image.length > 2_048 || isBroken(image))) data['image'] = null
  return data
}

/** The beginning of a name, as much as may be stored, without NULs and halves of characters. */
export function shortName(name: string): string {
  const start = name.slice(0, 200)
  // The cut may have gone through a character.
  const whole = start.length < name.length && !start.isWellFormed() ? start.slice(0, -1) : start
  return whole.replaceAll('\0', '').toWellFormed()
}

/** Characters: a host has 253 at most (RFC 1035, section 2.3.4), a user and a port stand beside it. */
const longestAuthority = 320

// What the URL parser takes out of an address before it reads it (URL standard, basic URL parser, steps 1 and 3).
const unread = /[\t\n\r]/g
const authority = /^[\u0000-\u0020]*[a-z][a-z0-9+.-]*:[/\\]*([^/\\?#]*)/i

/**
 * Whether an address names a host at a length that no host has. Node's URL parser takes time that grows with the square
 * of a host that is not ASCII, 0.1 s for one of 5,000 characters, so such an address must not get to it.
 */
export function isOverlong(address: string): boolean {
  if (address.length <= longestAuthority) return false
  const [, named = ''] = authority.exec(address.replaceAll(unread, '')) ?? []
  return named.length > longestAuthority
}

/** The origin of an address that a client named; undefined where it has none, or is overlong. */
export function originOf(address: string): string | undefined {
  return isOverlong(address) || !URL.canParse(address) ? undefined : new URL(address).origin
}

/** Has BetterAuth trust no address that is overlong, without reading it. */
export function distrustOverlong(): Plugin {
  return {
    id: 'gatehouse-authorities',
    init({ isTrustedOrigin }) {
      return {
        context: {
          isTrustedOrigin(address, settings) {
            return !isOverlong(address) && isTrustedOrigin.call(this, address, settings)
          }
        }
      }
    }
  }
}
