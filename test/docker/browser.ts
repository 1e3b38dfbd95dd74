import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Stack } from './stack.ts'

/** One answer. */
export interface Answer {
  status: number
  location: string | undefined
  body: string
}

/** Somebody at a browser: keeps cookies, sends the public origin's Host and Origin to whichever port it is told to. */
export class Browser {
  readonly #origin: string
  readonly #cookies = new Map<string, string>()
  /** The port of this machine that it talks to. */
  port: number

  constructor({ origin, port }: Pick<Stack, 'origin' | 'port'>) {
    this.#origin = origin
    this.port = port
  }

  /** Somebody else with the same cookies. */
  copy(): Browser {
    const copy = new Browser({ origin: this.#origin, port: this.port })
    for (const [name, value] of this.#cookies) copy.#cookies.set(name, value)
    return copy
  }

  async get(path: string): Promise<Answer> {
    return this.#send('GET', path)
  }

  async post(path: string, body: object = {}): Promise<Answer> {
    return this.#send('POST', path, JSON.stringify(body))
  }

  async #send(method: string, path: string, body?: string): Promise<Answer> {
    const sent = request({
      host: '127.0.0.1',
      port: this.port,
      method,
      path,
      agent: false,
      timeout: 60_000,
      headers: {
        host: new URL(this.#origin).host,
        origin: this.#origin,
        accept: 'application/json',
        ...(this.#cookies.size > 0 ? { cookie: [...this.#cookies].map((pair) => pair.join('=')).join('; ') } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' })
      }
    })
    sent.on('timeout', () => sent.destroy(new Error(`${method} ${path} was not answered`)))
    sent.end(body)
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve).on('error', reject)
    })
    for (const line of response.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (name === undefined || value === undefined) continue
      if (value === '') this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    return { status: response.statusCode ?? 0, location: response.headers.location, body: await text(response) }
  }
}
