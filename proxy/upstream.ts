import { readFileSync } from 'node:fs'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import { giveBackMemoryOf } from './spent-memory.ts'

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
  readonly dispatcher: Dispatcher
  /** Until its response headers. */
  readonly timeoutMs: number
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

/** The address of the upstream, read once, for connections of every kind. */
export interface UpstreamAddress {
  readonly secure: boolean
  readonly hostname: string
  readonly port: number
  readonly socketPath: string | undefined
  /** What to verify it against; undefined where the system's certificates are enough. */
  readonly secureContext: SecureContext | undefined
}

export const defaultConnectTimeoutMs = 5_000

/** Throws the file system's error when the CA file cannot be read, OpenSSL's when it holds no certificate. */
export function upstreamAddress({ url, caFile }: UpstreamOptions): UpstreamAddress {
  if (url.startsWith('unix:')) {
    const socketPath = url.slice('unix:'.length)
    return { secure: false, hostname: 'localhost', port: 80, socketPath, secureContext: undefined }
  }
  const { protocol, hostname, port } = new URL(url)
  const secure = protocol === 'https:'
  return {
    secure,
    hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: Number(port === '' ? (secure ? 443 : 80) : port),
    socketPath: undefined,
    // Built once: reading the system's certificates anew for every connection takes milliseconds.
    secureContext:
      caFile === undefined
        ? undefined
        : createSecureContext({ ca: [...getCACertificates('default'), readFileSync(caFile, 'utf8')] })
  }
}

/**
 * Connections to the upstream, kept alive and verified. Their number is not limited: an event stream holds one for as
 * long as it is open, and with a limit of n the n-th open stream would leave every other request waiting. `timeoutMs`:
 * until the response headers; `connectTimeoutMs`: to connect.
 */
export function createUpstreamPool(
  address: UpstreamAddress,
  options: { readonly timeoutMs: number; readonly connectTimeoutMs?: number | undefined }
): Pool {
  const { secure, hostname, port, socketPath, secureContext } = address
  const host = hostname.includes(':') ? `[${hostname}]` : hostname
  const connect = buildConnector({
    timeout: options.connectTimeoutMs ?? defaultConnectTimeoutMs,
    rejectUnauthorized: true,
    ...(socketPath === undefined ? {} : { socketPath }),
    ...(secureContext === undefined ? {} : { secureContext })
  })
  return new Pool(`${secure ? 'https' : 'http'}://${host}:${port}`, {
    connections: null,
    pipelining: 1,
    headersTimeout: options.timeoutMs,
    bodyTimeout: 0,
    keepAliveTimeout: 4_000,
    connect(target, done) {
      // Undici would hold the certificate against the `Host` that it sends, which names the public origin.
      const { servername: _publicName, ...upstream } = target
      connect(upstream, (...result) => {
        if (result[0] === null) giveBackMemoryOf(result[1])
        done(...result)
      })
    }
  })
}
