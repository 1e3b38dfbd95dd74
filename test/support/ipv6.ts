import { networkInterfaces } from 'node:os'

/** Why a test that needs `::1` cannot run here; false where it can. */
export function withoutIpv6(): string | false {
  const addresses = Object.values(networkInterfaces()).flat()
  return addresses.some((one) => one?.address === '::1') ? false : 'there is no IPv6 on this machine'
}
