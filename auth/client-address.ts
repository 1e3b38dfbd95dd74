import { isIP } from 'node:net'
import { getIP } from 'better-auth/api'
import type { BetterAuthOptions } from 'better-auth/minimal'
import type { FastifyRequest } from 'fastify'

/** The one header that BetterAuth takes the client's address from. A client's own header of that name is dropped. */
export const clientAddressHeader = 'x-gatehouse-client-address'

const networkBits = 64
const siteBits = 48

/** How BetterAuth reads a client's address, and which networks it counts as one client. */
export const addressOptions: NonNullable<NonNullable<BetterAuthOptions['advanced']>['ipAddress']> = {
  ipAddressHeaders: [clientAddressHeader],
  ipv6Subnet: networkBits
}

const mappedIPv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/**
 * The address that a request is counted and forwarded under: what Fastify's `trustProxy` made of trusted proxies'
 * `X-Forwarded-For`, or the peer's own address where that is no address. IPv4 in its plain spelling, no IPv6 zone.
 */
export function clientAddress(request: FastifyRequest): string {
  // A socket that is closed already has no address; all of them count as one.
  return normalized(request.ip) ?? normalized(request.socket.remoteAddress) ?? '0.0.0.0'
}

function normalized(address = ''): string | null {
  const zone = address.indexOf('%')
  const bare = zone === -1 ? address : address.slice(0, zone)
  const family = isIP(bare)
  if (family === 0) return null
  if (family === 4) return bare
  const mapped = mappedIPv4.exec(bare)?.[1]
  // BetterAuth knows IPv6 networks by groups of digits alone, and would count `2001:db8::1.2.3.4` by itself.
  return mapped ?? (bare.includes('.') ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare)
}

/** What an address is counted as, by BetterAuth and here: an IPv6 address by its /64, the least that one customer is given (RFC 6177). */
export function networkOf(address: string): string {
  return prefixOf(address, networkBits)
}

/**
 * The /48 of an IPv6 address, which any customer can have and which is 65,536 networks as `networkOf` counts them; null
 * for an IPv4 address.
 */
export function siteOf(address: string): string | null {
  return address.includes(':') ? prefixOf(address, siteBits) : null
}

function prefixOf(address: string, ipv6Subnet: number): string {
  const ipAddress = { ...addressOptions, ipv6Subnet }
  return getIP(new Headers({ [clientAddressHeader]: address }), { advanced: { ipAddress } }) ?? address
}
