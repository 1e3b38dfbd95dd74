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
  return (address) => {
    if (address === undefined) return false
    const plain = address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
    return trusted.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
  }
}
