import type { BetterAuthOptions } from 'better-auth/minimal'

type Plugin = NonNullable<BetterAuthOptions['plugins']>[number]

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
