import type { ServerResponse } from 'node:http'
import { WebSocketServer } from 'ws'
import { startEchoUpstream } from './echo-upstream.ts'
import { startTestGateway, type TestGateway } from './gateway.ts'
import { askRaw, openWire, type Wire, type WireAnswer } from './wire.ts'

/** An application of which each path ends in a way of its own, by its last segment. */
export interface StreamingApp {
  /** Responses of `hang`, which never begin unless the test ends them. */
  readonly hanging: ServerResponse[]
  /** Handshakes of `ws-hang`, which are never answered. */
  readonly handshakes: unknown[]
}

export interface GatewayWithApp {
  readonly gateway: TestGateway
  readonly app: StreamingApp
  /** Sends one request on a connection of its own and reads the answer to its end. */
  ask(path: string, headers?: readonly string[]): Promise<WireAnswer>
  /** Sends the head of a request and leaves the connection open; it is closed with the test. */
  open(path: string, headers?: readonly string[], method?: string): Promise<Wire>
}

/**
 * A gateway before an application whose `events` is an event stream, `lines` NDJSON and `csv` a table, both without end,
 * `breaks` one that breaks off, `dies` breaks off before its headers, `hang` never answers, `upload` reads a body,
 * `ws` is a WebSocket that echoes, and everything else is `ok`.
 */
export async function startGatewayWithApp(
  t: { teardown(work: () => unknown): void },
  env: Record<string, string> = {},
  policy?: Parameters<typeof startTestGateway>[1]
): Promise<GatewayWithApp> {
  const hanging: ServerResponse[] = []
  const upstream = await startEchoUpstream(t, (request, response) => {
    switch (request.url?.split('?')[0]?.split('/').at(-1)) {
      case 'events':
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
        break
      case 'lines':
        response.writeHead(200, { 'content-type': 'application/x-ndjson' }).write('{}\n')
        break
      case 'csv':
        response.writeHead(200, { 'content-type': 'text/csv' }).write('a,b\n1,2\n')
        break
      case 'breaks':
        response.writeHead(200, { 'content-type': 'text/csv' }).write('a,b\n')
        setImmediate(() => response.destroy())
        break
      case 'dies':
        response.destroy()
        break
      case 'hang':
        hanging.push(response)
        break
      case 'upload':
        request.resume().on('end', () => response.end('read'))
        break
      default:
        response.end('ok')
    }
  })
  const handshakes: unknown[] = []
  const sockets = new WebSocketServer({ noServer: true })
  upstream.server.on('upgrade', (request, socket, head) => {
    if (request.url?.endsWith('/ws-hang') === true) {
      handshakes.push(socket.on('error', () => socket.destroy()))
      return
    }
    sockets.handleUpgrade(request, socket, head, (open) => {
      open.on('error', () => {})
      open.on('message', (data, isBinary) => open.send(data, { binary: isBinary }))
    })
  })
  t.teardown(() => {
    for (const open of sockets.clients) open.terminate()
  })
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, ...policy, env })
  const host = `Host: ${new URL(gateway.publicUrl).host}`
  const wires: Wire[] = []
  t.teardown(() => {
    for (const wire of wires) wire.destroy()
  })
  return {
    gateway,
    app: { hanging, handshakes },
    ask: (path, headers = []) => askRaw(gateway.port, `GET ${path} HTTP/1.1`, [host, ...headers]),
    async open(path, headers = [], method = 'GET') {
      const wire = await openWire(gateway.port)
      wires.push(wire)
      wire.write([`${method} ${path} HTTP/1.1`, host, ...headers, '', ''].join('\r\n'))
      return wire
    }
  }
}
