import { randomUUID } from 'node:crypto'
import { IncomingMessage, request } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { readCookieHeader } from '../../auth/cookie-header.ts'
import { createUpstreamHeaders } from '../../proxy/request-headers.ts'
import { createConnector, type UpstreamOptions, upstreamAddress } from '../../proxy/upstream/connector.ts'

/** A server behind the gateway, and what the gateway tells it. */
export interface Asked extends UpstreamOptions {
  readonly token?: string | undefined
}

/** What a server answered. */
export interface UpstreamAnswer {
  readonly status: number
  readonly location: string | undefined
  readonly body: string
}

const timeoutMs = 5_000
const mostBytes = 33_554_432

/**
 * One GET of a server behind the gateway, over the connection and with the headers that a stranger's request would have.
 * Rejects with the connector's error, after five seconds, and when the answer has more than 32 MiB.
 */
export async function askUpstream(server: Asked, path: string, publicUrl: string): Promise<UpstreamAnswer> {
  const upstreamHeaders = createUpstreamHeaders({ publicUrl, token: server.token })
  const headers = upstreamHeaders({
    raw: new IncomingMessage(new Socket()),
    id: randomUUID(),
    clientAddress: '127.0.0.1',
    identity: null,
    cookies: readCookieHeader(undefined, '')
  })
  const address = upstreamAddress(server)
  const { protocol, hostname, port } = new URL(address.origin)
  const connect = createConnector(address)
  const { promise, resolve, reject } = Promise.withResolvers<UpstreamAnswer>()
  const asking = request({
    path,
    headers: [...headers, 'Connection', 'close'],
    setHost: false,
    signal: AbortSignal.timeout(timeoutMs),
    createConnection(_options, connected) {
      const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
      connect({ protocol, hostname: host, port }, (...[error, socket]) => {
        if (error === null) connected(null, socket)
        else connected(error, new Socket() satisfies Duplex)
      })
      return undefined
    }
  })
  asking.once('error', reject)
  asking.once('response', (response) => {
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > mostBytes) response.destroy(new Error('the answer is too large'))
      else chunks.push(chunk)
    })
    response.once('error', reject)
    response.once('end', () => {
      const { statusCode: status = 0, headers: said } = response
      resolve({ status, location: said.location, body: Buffer.concat(chunks).toString() })
    })
  })
  asking.end()
  return promise
}
