import { Client, type ClientConfig, Pool } from '@neondatabase/serverless'
import { WebSocket } from 'ws'
import type { Database, DatabaseOptions } from '../database.ts'
import type { WirePool } from './connection-lending.ts'
import { openNetworked } from './networked.ts'

/** Neon's own driver: Postgres over WebSocket, with transactions and events. Throws `DATABASE_URL_MISSING`. */
export async function openNeon(options: DatabaseOptions): Promise<Database> {
  const { neonWsProxy } = options
  const sockets = new Set<NeonSocket>()
  class TrackedSocket extends NeonSocket {
    constructor(address: string) {
      super(address)
      sockets.add(this)
      this.addEventListener('close', () => sockets.delete(this))
    }
  }

  // The driver's settings are one object for the whole process; a class of our own keeps ours to its clients.
  class ConfiguredClient extends Client {
    constructor(config?: string | ClientConfig) {
      super(config)
      const settings = this.neonConfig
      settings.webSocketConstructor = TrackedSocket
      if (neonWsProxy === undefined) return
      settings.wsProxy = (host, port) => `${neonWsProxy}/v1?address=${host}:${port}`
      settings.useSecureWebSocket = false
      settings.pipelineConnect = false
    }
  }

  return openNetworked<Client>('neon', options, ({ pooled, direct, track }) => {
    // No statement_timeout: Neon's pooler refuses connections that ask for it.
    const pool = new Pool(pooled)
    pool.Client = class extends ConfiguredClient {
      constructor(config?: string | ClientConfig) {
        super(config)
        track(this)
      }
    }
    return {
      // Its types do not say that the clients are of the class that it was given.
      pool: pool as unknown as WirePool<Client>,
      newClient: () => new ConfiguredClient(direct),
      cut: (client) => client.neonConfig.destroy(),
      cutRest() {
        for (const socket of sockets) socket.terminate()
      }
    }
  })
}

type SocketEvent = 'open' | 'message' | 'close' | 'error'

/** A WebSocket that survives how Neon's driver leaves one, and that gives the driver errors which are `Error`s. */
class NeonSocket {
  binaryType = 'arraybuffer'
  readonly #socket: WebSocket

  constructor(address: string) {
    this.#socket = new WebSocket(address)
    // A socket that the driver has left has no other listener for its last error.
    this.#socket.on('error', () => {})
  }

  get readyState(): number {
    return this.#socket.readyState
  }

  // The driver says goodbye even while it is still connecting, from a timer, where the exception would be uncaught.
  send(data: Uint8Array): void {
    if (this.#socket.readyState === WebSocket.CONNECTING) this.#socket.terminate()
    else this.#socket.send(data)
  }

  // A peer that is silent or gone never answers the closing handshake.
  close(): void {
    this.#socket.close()
    setTimeout(() => this.#socket.terminate(), 1_000).unref()
  }

  /** Cuts the connection, at once. */
  terminate(): void {
    this.#socket.terminate()
  }

  addEventListener(event: SocketEvent, listener: (payload: unknown) => void): void {
    if (event === 'message') this.#socket.on(event, (data) => listener({ data }))
    else this.#socket.on(event, listener)
  }
}
