import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'

/** What the upstream received, as JSON in its answer. */
export interface Echo {
  method: string
  url: string
  /** As they came, names and values in turn. */
  rawHeaders: string[]
  headers: Record<string, string>
  bytes: number
  sha256: string
}

export interface EchoUpstream {
  readonly url: string
  readonly server: Server
  /** Every request that arrived. */
  readonly requests: IncomingMessage[]
}

/** A plain HTTP server that answers with what it received, or does as `listener` says; closed with the test. */
export async function startEchoUpstream(
  t: { teardown(work: () => void): void },
  listener?: RequestListener
): Promise<EchoUpstream> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    if (listener !== undefined) return listener(request, response)
    const hash = createHash('sha256')
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      hash.update(chunk)
    })
    request.on('end', () => {
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({
          method: request.method,
          url: request.url,
          rawHeaders: request.rawHeaders,
          headers: request.headers,
          bytes,
          sha256: hash.digest('hex')
        })
      )
    })
  })
  // Node's five seconds may pass while a machine stands still, in the moment in which a connection is used again.
  server.keepAliveTimeout = 60_000
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${port}`, server, requests }
}
