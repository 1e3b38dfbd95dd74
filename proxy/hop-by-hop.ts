// RFC 9110, section 7.6.1, and what older proxies send. `Trailer` is listed for requests only: a response's trailers pass.
const always = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings'
])

/** Whether this header (lower case) belongs to one connection and is never forwarded. */
export function isHopByHop(name: string): boolean {
  return always.has(name)
}

/** The header names (lower case) that a `Connection` header lists beside its own options; null when there are none. */
export function listedInConnection(connection: string | undefined): ReadonlySet<string> | null {
  if (connection === undefined) return null
  const lower = connection.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return null
  return new Set(lower.split(',').map((option) => option.trim()))
}
