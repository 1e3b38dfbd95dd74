import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'

const mappedIPv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/**
 * The address that a request is counted and forwarded under: what Fastify's `trustProxy` made of trusted proxies'
 * `X-Forwarded-For`, or the peer's own address where that is no address. IPv4 in its plain spelling, no IPv6 zone.
 */
export function clientAddress(request: FastifyRequest): string {
  const forwarded = plain(request.ip)
  if (forwarded !== null) return forwarded
  // A socket that is gone has no address; whoever it was shares one.
  return plain(request.socket.remoteAddress) ?? '0.0.0.0'
}

function plain(address: string | undefined): string | null {
  if (address === undefined) return null
  const zone = address.indexOf('%')
  const bare = zone === -1 ? address : address.slice(0, zone)
  if (isIP(bare) === 0) return null
  return mappedIPv4.exec(bare)?.[1] ?? bare
}
