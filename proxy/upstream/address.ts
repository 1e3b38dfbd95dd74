import { readFileSync } from 'node:fs'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import type { ConnectionPool } from './connection-pool.ts'

/** Where FastAPI is. `url`: `http://host:port`, `https://host:port` or `unix:/path`. */
export interface UpstreamOptions {
  readonly url: string
  /** A PEM file with certificates to trust beside the system's. */
  readonly caFile?: string | undefined
}

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
  readonly fallback: ServerUpstream
  readonly named: ReadonlyMap<string, ServerUpstream | FolderUpstream>
}

/** The address of an upstream, read once, for connections of every kind. */
export interface UpstreamAddress {
  /** `http://host:port` or `https://host:port`; of a Unix socket, `http://localhost`. */
  readonly origin: string
  readonly socketPath: string | undefined
  /** What to verify a certificate against; undefined where the system's are enough. */
  readonly secureContext: SecureContext | undefined
}

/** Throws the file system's error when the CA file cannot be read, OpenSSL's when it holds no certificate. */
export function upstreamAddress({ url, caFile }: UpstreamOptions): UpstreamAddress {
  if (url.startsWith('unix:')) {
    return { origin: 'http://localhost', socketPath: url.slice('unix:'.length), secureContext: undefined }
  }
  return {
    origin: new URL(url).origin,
    socketPath: undefined,
    // Built once: reading the system's certificates anew for every connection takes milliseconds.
    secureContext:
      caFile === undefined
        ? undefined
        : createSecureContext({ ca: [...getCACertificates('default'), readFileSync(caFile, 'utf8')] })
  }
}
