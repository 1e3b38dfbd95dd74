import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'

export interface DialOptions {
  protocols?: string[]
  headers?: Record<string, string>
  perMessageDeflate?: boolean
}

/** A WebSocket that is open, or the answer that refused it. */
export type Dialled =
  | { readonly socket: WebSocket; readonly answer: IncomingMessage; readonly status: 101 }
  | { readonly status: number; readonly answer: IncomingMessage; readonly body: string }

/** Opens a WebSocket and waits for the answer to its handshake, whichever it is. */
export function dial(
  t: { teardown(work: () => void): void },
  url: string,
  options: DialOptions = {}
): Promise<Dialled> {
  const { protocols = [], headers = {}, perMessageDeflate = false } = options
  const socket = new WebSocket(url, protocols, { headers, perMessageDeflate })
  t.teardown(() => socket.terminate())
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined
    socket.on('upgrade', (response) => {
      answer = response
    })
    socket.on('open', () => {
      if (answer !== undefined) resolve({ socket, answer, status: 101 })
    })
    socket.on('unexpected-response', async (_request, response) => {
      let body = ''
      for await (const chunk of response) body += chunk
      resolve({ status: response.statusCode ?? 0, answer: response, body })
    })
    socket.on('error', reject)
  })
}

/** A WebSocket that has to open; throws with the refusal when it does not. */
export async function mustDial(
  t: { teardown(work: () => void): void },
  url: string,
  options: DialOptions = {}
): Promise<{ socket: WebSocket; answer: IncomingMessage }> {
  const dialled = await dial(t, url, options)
  if ('socket' in dialled) return dialled
  throw new Error(`refused with ${dialled.status}: ${dialled.body}`)
}

/** The next message, and whether it is binary. */
export async function message(socket: WebSocket): Promise<{ data: Buffer; binary: boolean }> {
  const [data, binary] = await once(socket, 'message')
  return { data, binary }
}

/** How it was closed. */
export async function closing(socket: WebSocket): Promise<{ code: number; reason: string }> {
  const [code, reason] = await once(socket, 'close')
  return { code, reason: String(reason) }
}
