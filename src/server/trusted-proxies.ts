import { BlockList, isIPv6 } from 'node:net'

/**
 * Whether a peer's `X-Forwarded-For` and `X-Request-Id` are believed. `list` has addresses and CIDRs; an empty one
 * trusts nobody.
 */
export function trustedProxies(list: readonly string[]): (address: string | undefined) => boolean {
  if (list.length === 0) return () => false
  const trusted = new BlockList()
  for (const entry of list) {
    const [address = '', bits] = entry.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) trusted.addAddress(address, family)
    else trusted.addSubnet(address, Number(bits), family)
  }
  // An IPv4 address that is mapped to IPv6 is held against the IPv4 entries, too.
  return (address) => address !== undefined && trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
