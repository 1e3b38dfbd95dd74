import type { Socket } from 'node:net'
import type { EndReason, LiveConnection, Outcome } from '../auth/live-connection-limits.ts'
import { reset } from './close-connection.ts'
import { closeFrame, FrameBoundaries } from './websocket-frames.ts'

/** One end of a WebSocket connection, and the bytes of its frames that have arrived already. */
export interface Side {
  readonly socket: Socket
  readonly head: Buffer
}

export interface RelayLimits {
  /** Milliseconds for a close that the gateway begins: the frame in flight, the close frames, and the replies to them. */
  readonly closeMs: number
  /**
   * Milliseconds without a byte after one side has ended its direction: the other side may be as slow as it likes, but
   * must not stand still. As long as both directions are open, nothing limits how long either is silent or slow.
   */
  readonly lingerMs: number
}

// As long as a client that sends a body may pause.
const defaultLimits: RelayLimits = { closeMs: 1_000, lingerMs: 30_000 }

// RFC 6455, section 7.4.1.
const closeCodes: Record<EndReason, number> = { 'session ended': 1008, 'going away': 1001 }

const nothing = Buffer.alloc(0)

/**
 * Carries a WebSocket between two ends, byte for byte with back-pressure, until both are closed; `onClose` is called once,
 * after this function has returned. Everything that a side sent before its FIN reaches the other side, however slowly that
 * reads, and then the FIN does. A side that breaks off becomes a reset for the other, so that half a message never looks
 * like the end of the connection.
 */
export function relay(
  client: Side,
  upstream: Side,
  onClose: (outcome: Outcome) => void,
  limits: RelayLimits = defaultLimits
): LiveConnection {
  return new Relay(client, upstream, onClose, limits)
}

class Relay implements LiveConnection {
  readonly kind = 'websocket'
  readonly #limits: RelayLimits
  readonly #onClose: (outcome: Outcome) => void
  readonly #fromClient: Direction
  readonly #fromUpstream: Direction
  readonly #timers: NodeJS.Timeout[] = []
  #open = true
  /** Why the gateway closes the WebSocket. */
  #reason: EndReason | undefined
  /** How the first of the two directions ended. */
  #outcome: Outcome | undefined

  constructor(client: Side, upstream: Side, onClose: (outcome: Outcome) => void, limits: RelayLimits) {
    this.#limits = limits
    this.#onClose = onClose
    for (const { socket } of [client, upstream]) {
      // Otherwise Node's client would answer an upstream's FIN with its own, ahead of what the client still sends.
      socket.allowHalfOpen = true
      socket.setNoDelay(true)
      // Node's server would destroy a socket whose timeout, set below, expires.
      socket.removeAllListeners('timeout').setTimeout(0)
    }
    this.#fromClient = new Direction(client.socket, upstream.socket, true)
    this.#fromUpstream = new Direction(upstream.socket, client.socket, false)
    if (client.head.length > 0) this.#pass(this.#fromClient, client.head)
    if (upstream.head.length > 0) this.#pass(this.#fromUpstream, upstream.head)
    this.#follow(this.#fromClient, this.#fromUpstream)
    this.#follow(this.#fromUpstream, this.#fromClient)
  }

  end(reason: EndReason): void {
    if (!this.#open || this.#reason !== undefined) return
    this.#reason = reason
    for (const direction of [this.#fromClient, this.#fromUpstream])
      direction.closeWith(closeFrame(closeCodes[reason], reason, direction.masked))
    this.#closeWithin(this.#limits.closeMs)
  }

  #follow(direction: Direction, back: Direction): void {
    const { source } = direction
    source.on('data', (chunk: Buffer) => this.#pass(direction, chunk))
    source.on('drain', () => back.resume())
    source.on('end', () => this.#ended(direction))
    // An error without a listener would end the process; the `close` event follows it.
    source.on('error', () => {})
    source.on('close', () => this.#gone(direction, back))
    source.on('timeout', () => this.#silent(direction, back))
    if (!direction.isPaused) source.resume()
    // Events from before this call are not emitted again. Deferred, because the caller does not have the relay yet.
    queueMicrotask(() => {
      if (source.readableEnded) this.#ended(direction)
      if (source.closed) this.#gone(direction, back)
    })
  }

  #pass(direction: Direction, chunk: Buffer): void {
    const wasClosed = direction.closed
    direction.pass(chunk)
    // While a socket is not read, it does not tell that its other end is gone.
    if (direction.isPaused) this.#watch(direction.source)
    if (!wasClosed && direction.closed) this.#closing('finished')
  }

  #ended(direction: Direction): void {
    direction.end()
    this.#closing(this.#leaving(direction))
  }

  #leaving(direction: Direction): Outcome {
    return direction === this.#fromClient ? 'client left' : 'upstream broke off'
  }

  #closing(how: Outcome): void {
    if (this.#outcome !== undefined) return
    this.#outcome = how
    this.#watch(this.#fromClient.source)
    this.#watch(this.#fromUpstream.source)
  }

  #watch(socket: Socket): void {
    if (socket.timeout !== this.#limits.lingerMs) socket.setTimeout(this.#limits.lingerMs)
  }

  // The source of a direction has closed. `back` is the direction towards it.
  #gone(direction: Direction, back: Direction): void {
    if (!this.#open) return
    const how = this.#leaving(direction)
    // The source closed in the middle of what it sent.
    if (!direction.isEnded && !direction.closed) {
      this.#close(this.#outcome ?? how)
      return
    }
    direction.end()
    this.#closing(how)
    back.discard()
    const other = direction.sink
    if (other.destroyed) {
      this.#close(this.#outcome ?? how)
      return
    }
    // The other side is still being sent the rest. It is not read meanwhile, so that what it sends does not count as
    // progress of its reading; afterwards it is, because closing a socket with unread bytes is a reset.
    const listen = () => {
      other.resume()
      this.#closeWithin(this.#limits.lingerMs)
    }
    if (other.writableFinished) listen()
    else {
      other.pause()
      other.once('finish', listen)
    }
  }

  // No byte has been read from or written to this socket for `lingerMs`; Node counts a part of a write as well.
  #silent(direction: Direction, back: Direction): void {
    if (!this.#open) return
    const { source } = direction
    source.setTimeout(this.#limits.lingerMs)
    const unread = source.writableLength > 0
    // A socket that is not read tells of a reset only when it is written to; an empty write is enough.
    if (direction.isPaused && !unread && source.writable) source.write(nothing)
    if (this.#outcome === undefined) return
    if (unread) this.#close('timed out')
    else if (direction.sink.writableLength === 0 && !direction.isPaused && !back.isPaused) this.#close(this.#outcome)
  }

  #closeWithin(ms: number): void {
    this.#timers.push(setTimeout(() => this.#close(this.#outcome ?? 'timed out'), ms).unref())
  }

  #close(outcome: Outcome): void {
    if (!this.#open) return
    this.#open = false
    // A pending timer would keep the closed relay in memory.
    for (const timer of this.#timers) clearTimeout(timer)
    this.#fromClient.destroySink()
    this.#fromUpstream.destroySink()
    this.#onClose(this.#reason ?? outcome)
  }
}

/** One direction, from a socket that is read to one that is written. */
class Direction {
  readonly source: Socket
  readonly sink: Socket
  /** Whether frames are masked in this direction: those of a client are (RFC 6455, section 5.3). */
  readonly masked: boolean
  readonly #frames = new FrameBoundaries()
  #closeFrame: Buffer | undefined
  #isEnded = false
  #isPaused = false

  constructor(source: Socket, sink: Socket, masked: boolean) {
    this.source = source
    this.sink = sink
    this.masked = masked
  }

  /** Nothing more is passed on; bytes that still arrive are dropped. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  /** The source is not read, because bytes wait for the sink. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /** A close frame has passed, and nothing has begun after it. */
  get closed(): boolean {
    return this.#frames.closed && this.#frames.atBoundary
  }

  pass(chunk: Buffer): void {
    if (this.#isEnded) return
    const end = this.#frames.read(chunk, this.#closeFrame !== undefined)
    if (!this.sink.writable) {
      this.discard()
      return
    }
    if (!this.sink.write(end === chunk.length ? chunk : chunk.subarray(0, end))) {
      this.#isPaused = true
      this.source.pause()
    }
    this.#sendCloseFrame()
  }

  /** Reads the source again. */
  resume(): void {
    this.#isPaused = false
    this.source.resume()
  }

  /** Ends this direction with a close frame, after the frame that is passing; without one where one has passed already. */
  closeWith(frame: Buffer): void {
    this.#closeFrame ??= frame
    this.#sendCloseFrame()
  }

  #sendCloseFrame(): void {
    if (this.#isEnded || this.#closeFrame === undefined || !this.#frames.atBoundary) return
    if (!this.#frames.closed && this.sink.writable) this.sink.write(this.#closeFrame)
    this.end()
  }

  /** Ends the sink. */
  end(): void {
    if (this.#isEnded) return
    this.discard()
    if (this.sink.writable) this.sink.end()
  }

  /** Drops everything that still arrives. */
  discard(): void {
    this.#isEnded = true
    this.resume()
  }

  /** Closes the sink in order where it was sent everything, and with a reset where the rest is lost. */
  destroySink(): void {
    const { sink } = this
    const hasAll = sink.writableLength === 0 && (this.#isEnded || this.closed)
    if (hasAll) sink.destroy()
    else reset(sink)
  }
}
