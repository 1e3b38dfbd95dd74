import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { freePort } from './ports.ts'
import type { Teardown } from './postgres.ts'

/** One connection through the proxy. */
export interface ProxiedConnection {
  /** Whether the client has said this, in bytes of its own (`listen "gatehouse"`, say). */
  said(text: string): boolean
  /** Nothing passes any more, either way, and nobody is told. */
  freeze(): void
  /** What was held back passes, and the rest after it. */
  thaw(): void
  /** Ends it both ways with a reset. */
  cut(): void
}

/** A network between two parts that does as the test says. It starts healthy. */
export interface TcpProxy {
  readonly port: number
  /** What is connected right now. */
  connections(): ProxiedConnection[]
  /** Ends every connection with a reset; new ones are taken as before. */
  cut(): void
  /** The same, and new ones are refused (`ECONNREFUSED`). */
  refuse(): Promise<void>
  /** Open connections go mute; new ones are accepted and hear nothing. Nobody sees an end. */
  freeze(): void
  /** Every byte arrives so many milliseconds later, each way. */
  delay(ms: number): void
  /** Everything as at the beginning: what was held back is delivered, in order, and new connections are taken. */
  heal(): Promise<void>
  /** Forwards new connections to another port from now on. */
  redirect(port: number): void
}

interface Network {
  target: number
  frozen: boolean
  delayMs: number
}

const heardAtMost = 64 * 1024

/** Starts a TCP proxy on a free port in front of this one, gone with the test. */
export async function startTcpProxy(t: Teardown, targetPort: number): Promise<TcpProxy> {
  const network: Network = { target: targetPort, frozen: false, delayMs: 0 }
  const open = new Set<Connection>()
  const accept = (client: Socket) => {
    const connection = new Connection(client, network, () => open.delete(connection))
    open.add(connection)
  }
  const cut = () => {
    for (const connection of open) connection.cut()
  }
  let server: Server | undefined = await listen(await freePort(), accept)
  const { port } = addressOf(server)
  const close = async () => {
    const closing = server
    server = undefined
    if (closing !== undefined) closing.close()
    cut()
  }
  t.teardown(close)

  return {
    port,
    connections: () => [...open],
    cut,
    refuse: close,
    freeze() {
      network.frozen = true
    },
    delay(ms) {
      network.delayMs = ms
    },
    async heal() {
      network.frozen = false
      network.delayMs = 0
      for (const connection of open) connection.thaw()
      server ??= await listen(port, accept)
    },
    redirect(target) {
      network.target = target
    }
  }
}

class Connection implements ProxiedConnection {
  readonly #client: Socket
  readonly #network: Network
  readonly #gone: () => void
  #server: Socket | undefined
  #held: { at: number; deliver: () => void }[] = []
  #timer: NodeJS.Timeout | undefined
  #frozen = false
  #heard = ''

  constructor(client: Socket, network: Network, gone: () => void) {
    this.#client = client
    this.#network = network
    this.#gone = gone
    client.on('data', (bytes) => {
      this.#heard = (this.#heard + bytes.toString('latin1')).slice(-heardAtMost)
      this.#pass(() => this.#server?.write(bytes))
    })
    client.on('error', () => {})
    client.on('end', () => this.#pass(() => this.#server?.end()))
    client.on('close', () => this.#pass(() => this.cut()))
    this.#pass(() => this.#connect())
  }

  said(text: string): boolean {
    return this.#heard.includes(text)
  }

  freeze(): void {
    this.#frozen = true
  }

  thaw(): void {
    this.#frozen = false
    this.#deliver()
  }

  cut(): void {
    clearTimeout(this.#timer)
    this.#held = []
    this.#client.resetAndDestroy()
    this.#server?.resetAndDestroy()
    this.#gone()
  }

  #connect(): void {
    const server = dial(this.#network.target, '127.0.0.1')
    this.#server = server
    server.on('data', (bytes) => this.#pass(() => this.#client.write(bytes)))
    server.on('error', () => {})
    server.on('end', () => this.#pass(() => this.#client.end()))
    server.on('close', () => this.#pass(() => this.cut()))
  }

  // One queue for both ways: a connection is slow or mute as a whole.
  #pass(deliver: () => void): void {
    this.#held.push({ at: Date.now() + this.#network.delayMs, deliver })
    this.#deliver()
  }

  #deliver(): void {
    clearTimeout(this.#timer)
    for (;;) {
      if (this.#frozen || this.#network.frozen) return
      const [first] = this.#held
      if (first === undefined) return
      const wait = first.at - Date.now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#deliver(), wait)
        return
      }
      this.#held.shift()
      first.deliver()
    }
  }
}

async function listen(port: number, accept: (client: Socket) => void): Promise<Server> {
  // Half open: an end has to wait its turn behind the bytes before it.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept)
  await new Promise<void>((done, fail) => {
    server.once('error', fail)
    server.listen(port, '127.0.0.1', done)
  })
  return server
}

function addressOf(server: Server): { port: number } {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address
}
