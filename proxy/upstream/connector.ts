import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { buildConnector } from 'undici'

/** Where FastAPI is. `url`: `http://host:port`, `https://host:port` or `unix:/path`. */
export interface UpstreamOptions {
  readonly url: string
  /** A PEM file with certificates to trust beside the system's. */
  readonly caFile?: string | undefined
}

/** The address of an upstream, parsed once, for connections of every kind. */
export interface UpstreamAddress {
  /** `http://host:port` or `https://host:port`; of a Unix socket, `http://localhost`. */
  readonly origin: string
  readonly socketPath: string | undefined
  /** The certificate authorities to verify with; undefined for the system's alone. */
  readonly secureContext: SecureContext | undefined
}

/** Parses an upstream's address. Throws the file system's error when the CA file cannot be read, and OpenSSL's when it holds no certificate. */
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

/** Milliseconds until a connection to an upstream is open, its TLS handshake included. */
export const connectTimeoutMs = 5_000

/**
 * The one way to an upstream, over TCP, TLS or a Unix socket, for requests, upgrades and probes. Certificates are verified
 * against the upstream's own name. Calls back with the system's or OpenSSL's error, or with one whose code is
 * UND_ERR_CONNECT_TIMEOUT.
 */
export function createConnector(
  address: UpstreamAddress,
  timeoutMs: number = connectTimeoutMs
): buildConnector.connector {
  const { socketPath, secureContext } = address
  const connect = buildConnector({
    timeout: timeoutMs,
    rejectUnauthorized: true,
    ...(socketPath === undefined ? {} : { socketPath }),
    ...(secureContext === undefined ? {} : { secureContext })
  })
  return function connectToUpstream(target, done) {
    // Undici would verify the certificate against the `Host` header, which names the public origin.
    const { servername: _publicName, ...upstream } = target
    connect(upstream, (...result) => {
      if (result[0] === null) readBeforeWriteErrors(result[1])
      done(...result)
    })
  }
}

const probeTimeoutMs = 2_000

/**
 * Opens one connection to the upstream as a request would, TLS verified, and closes it again. Rejects as the connector
 * does, after two seconds at the latest.
 */
export function probeUpstream(address: UpstreamAddress): Promise<void> {
  const { protocol, hostname, port } = new URL(address.origin)
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  createConnector(address, probeTimeoutMs)({ protocol, hostname: host, port }, (...result) => {
    if (result[0] !== null) return reject(result[0])
    result[1].destroy()
    resolve()
  })
  return promise
}

const closedByPeer = new Set(['EPIPE', 'ECONNRESET'])
const unreadCheckMs = 1_000

/**
 * Makes a socket report a failed write only after everything that its peer sent has been read. An application may respond
 * to an upload before its end and close the connection: the next write fails then while the response still waits to be
 * read, and Node would drop both together. Until it is read the write stays pending, as if the peer were slow.
 */
function readBeforeWriteErrors(socket: Socket): void {
  const { _write, _writev } = socket
  const deferred = (done: (error?: Error | null) => void) => (error?: Error | null) => {
    if (error == null || !('code' in error) || !closedByPeer.has(String(error.code))) return done(error)
    // Usually the read side reaches its end first, which closes the socket and ends the pending write.
    let readBefore = -1
    const check = setInterval(() => {
      if (!socket.destroyed && (socket.readableLength > 0 || socket.bytesRead > readBefore)) {
        readBefore = socket.bytesRead
        return
      }
      clearInterval(check)
      done(error)
    }, unreadCheckMs)
    socket.once('close', () => clearInterval(check))
  }
  socket._write = function writeThenRead(chunk, encoding, done) {
    _write.call(socket, chunk, encoding, deferred(done))
  }
  if (_writev === undefined) return
  socket._writev = function writeAllThenRead(chunks, done) {
    _writev.call(socket, chunks, deferred(done))
  }
}
