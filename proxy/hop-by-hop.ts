import { connectionHeaders } from '../auth/client-headers.ts'

/** Whether this header (lower case) belongs to one connection and is never forwarded. */
export function isHopByHop(name: string): boolean {
  return connectionHeaders.has(name)
}

/** The header names (lower case) that a `Connection` header lists beside its own options; null when there are none. */
export function listedInConnection(connection: string | undefined): ReadonlySet<string> | null {
  if (connection === undefined) return null
  const lower = connection.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return null
  return new Set(lower.split(',').map((option) => option.trim()))
}
