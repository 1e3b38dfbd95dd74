import { ConnectionPool } from './connection-pool.ts'
import { type UpstreamAddress, type UpstreamOptions, upstreamAddress } from './connector.ts'

/** A server behind the gateway, with connections and a time limit of its own. */
export interface ServerUpstream {
  readonly kind: 'server'
  readonly address: UpstreamAddress
  readonly connections: ConnectionPool
  /** Sent as `X-Gatehouse-Token`. */
  readonly token: string | undefined
}

/** A folder of files behind the gateway. Its paths are those of the public origin. */
export interface FolderUpstream {
  readonly kind: 'folder'
  /** Absolute. */
  readonly directory: string
}

/** Where a rule sends what it lets through. */
export interface Upstreams {
  /** For rules that name none, and for requests that no rule names. */
  readonly default: ServerUpstream
  readonly named: ReadonlyMap<string, ServerUpstream | FolderUpstream>
}

/** What a server upstream is opened with. */
export interface ServerOptions extends UpstreamOptions {
  readonly token: string | undefined
  readonly timeoutMs: number
  /** Connections at work on requests at once. */
  readonly most: number
}

/** Opens a server upstream; nothing is connected yet. Throws as `upstreamAddress` does. */
export function openServer({ url, caFile, token, timeoutMs, most }: ServerOptions): ServerUpstream {
  const address = upstreamAddress({ url, caFile })
  return { kind: 'server', address, connections: new ConnectionPool(address, { timeoutMs, most }), token }
}
