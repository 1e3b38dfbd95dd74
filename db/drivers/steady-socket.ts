import { WebSocket } from 'ws'

type SocketEvent = 'open' | 'message' | 'close' | 'error'

/** A WebSocket for Neon's driver that survives how the driver leaves one, and that gives it errors which are `Error`s. */
export class SteadySocket {
  binaryType = 'arraybuffer'
  readonly #socket: WebSocket

  constructor(address: string) {
    this.#socket = new WebSocket(address)
    // An abandoned socket has nobody else to hear its last error.
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

  // A peer that is mute or gone never answers the closing handshake.
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
