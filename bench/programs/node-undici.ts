// Node's HTTP server and undici with nothing between them: what is left of a proxy when everything is taken away that can be.
import { createServer, type ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'
import { announce, told } from './announce.ts'

const ofOneConnection = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host'])
const pool = new Pool(told()['upstream'] ?? '', { connections: null, pipelining: 1, bodyTimeout: 0 })

class Answer implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse
  constructor(response: ServerResponse) {
    this.#response = response
  }

  onRequestStart(): void {}

  onResponseStart({ rawHeaders }: Dispatcher.DispatchController, status: number): void {
    const pairs = Array.isArray(rawHeaders) ? rawHeaders.map((text) => text.toString('latin1')) : []
    this.#response.writeHead(status, passing(pairs))
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#response.write(chunk.toString('latin1'), 'latin1')
  }

  onResponseEnd(): void {
    this.#response.end()
  }

  onResponseError(): void {
    this.#response.destroy()
  }
}

const server = createServer(({ method, url, rawHeaders }, response) => {
  pool.dispatch(
    { path: url ?? '/', method: method === 'HEAD' ? 'HEAD' : 'GET', headers: passing(rawHeaders) },
    new Answer(response)
  )
})

function passing(pairs: readonly string[]): string[] {
  const passed: string[] = []
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i] ?? ''
    if (!ofOneConnection.has(name.toLowerCase())) passed.push(name, pairs[i + 1] ?? '')
  }
  return passed
}

server.keepAliveTimeout = 120_000
announce(server)
