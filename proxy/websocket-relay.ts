import type { Socket } from 'node:net'
import type { EndReason, LiveConnection, Outcome } from '../auth/live-connections.ts'
import { reset } from './lingering-close.ts'
import { closeFrame, FrameBoundaries } from './websocket-frames.ts'

/** One end of a WebSocket connection, and what has arrived of its frames already. */
export interface Side {
  readonly socket: Socket
  readonly head: Buffer
}

export interface RelayLimits {
  /** Milliseconds that a goodbye of the gateway's may take: the frame in flight, the close frames, and the answers. */
  readonly goodbyeMs: number
  /**
   * Milliseconds without a byte after one side has said its last: whoever is still to read or to answer may be as slow
   * as it likes, but not stand still. While both sides speak, nothing limits how long either is silent or slow.
   */
  readonly lingerMs: number
}

// As long as a client that sends a body may pause.
const usualLimits: RelayLimits = { goodbyeMs: 1_000, lingerMs: 30_000 }

// RFC 6455, section 7.4.1.
const closeCodes: Record<EndReason, number> = { 'session ended': 1008, 'going away': 1001 }

const nothing = Buffer.alloc(0)

/**
 * Carries a WebSocket between two ends, byte for byte with back-pressure, until it is over; `onClose` is called once,
 * after this has returned. What a side sent before its FIN reaches the other, however slowly that reads, and then the
 * FIN does; a side that breaks off is a reset for the other, so that half a message never looks like the end of all.
 */
export function relay(
  client: Side,
  upstream: Side,
  onClose: (outcome: Outcome) => void,
  limits: RelayLimits = usualLimits
): LiveConnection {
  return new Relay(client, upstream, onClose, limits)
}

class Relay implements LiveConnection {
  readonly kind = 'websocket'
  readonly #limits: RelayLimits
  readonly #onClose: (outcome: Outcome) => void
  readonly #fromClient: Lane
  readonly #fromUpstream: Lane
  readonly #timers: NodeJS.Timeout[] = []
  #open = true
  /** Why the gateway ends it. */
  #reason: EndReason | undefined
  /** What happened first, once one side has said its last. */
  #outcome: Outcome | undefined

  constructor(client: Side, upstream: Side, onClose: (outcome: Outcome) => void, limits: RelayLimits) {
    this.#limits = limits
    this.#onClose = onClose
    for (const { socket } of [client, upstream]) {
      // Node's own client would answer an upstream's FIN with one, ahead of what the client still has to say.
      socket.allowHalfOpen = true
      socket.setNoDelay(true)
      // Node's server would destroy a socket for which the time set below is over.
      socket.removeAllListeners('timeout').setTimeout(0)
    }
    this.#fromClient = new Lane(client.socket, upstream.socket, true)
    this.#fromUpstream = new Lane(upstream.socket, client.socket, false)
    if (client.head.length > 0) this.#pass(this.#fromClient, client.head)
    if (upstream.head.length > 0) this.#pass(this.#fromUpstream, upstream.head)
    this.#follow(this.#fromClient, this.#fromUpstream)
    this.#follow(this.#fromUpstream, this.#fromClient)
  }

  end(reason: EndReason): void {
    if (!this.#open || this.#reason !== undefined) return
    this.#reason = reason
    for (const lane of [this.#fromClient, this.#fromUpstream])
      lane.finish(closeFrame(closeCodes[reason], reason, lane.masked))
    this.#closeWithin(this.#limits.goodbyeMs)
  }

  #follow(lane: Lane, back: Lane): void {
    const { source } = lane
    source.on('data', (chunk: Buffer) => this.#pass(lane, chunk))
    source.on('drain', () => back.goOn())
    source.on('end', () => this.#ended(lane))
    // Without a listener it would end the process; `close` follows.
    source.on('error', () => {})
    source.on('close', () => this.#gone(lane, back))
    source.on('timeout', () => this.#silent(lane, back))
    if (!lane.isHeldUp) source.resume()
    // What has happened to it before is not told again. Whoever called does not know this connection yet.
    queueMicrotask(() => {
      if (source.readableEnded) this.#ended(lane)
      if (source.closed) this.#gone(lane, back)
    })
  }

  #pass(lane: Lane, chunk: Buffer): void {
    const wasClosed = lane.closed
    lane.pass(chunk)
    // A client that is gone does not tell while nobody reads from it.
    if (lane.isHeldUp) this.#watch(lane.source)
    if (!wasClosed && lane.closed) this.#closing('finished')
  }

  #ended(lane: Lane): void {
    lane.end()
    this.#closing(this.#leaving(lane))
  }

  #leaving(lane: Lane): Outcome {
    return lane === this.#fromClient ? 'client left' : 'upstream broke off'
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

  // The socket that a lane begins at is no more. `back` leads to it.
  #gone(lane: Lane, back: Lane): void {
    if (!this.#open) return
    const how = this.#leaving(lane)
    // What it had to say was not said to its end.
    if (!lane.isOver && !lane.closed) {
      this.#close(this.#outcome ?? how)
      return
    }
    lane.end()
    this.#closing(how)
    back.giveUp()
    const other = lane.sink
    if (other.destroyed) {
      this.#close(this.#outcome ?? how)
      return
    }
    // It is still being told. What it says goes nowhere: it is not read until it has been told all, so that saying
    // something does not count as reading, and then it is, because closing on what is unread is a reset.
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

  // No byte has gone or come on this socket for a while; Node counts a part of a write, too.
  #silent(lane: Lane, back: Lane): void {
    if (!this.#open) return
    const { source } = lane
    source.setTimeout(this.#limits.lingerMs)
    const unread = source.writableLength > 0
    // Not read from, it tells of a reset only when it is written to, be it nothing.
    if (lane.isHeldUp && !unread && source.writable) source.write(nothing)
    if (this.#outcome === undefined) return
    if (unread) this.#close('timed out')
    else if (lane.sink.writableLength === 0 && !lane.isHeldUp && !back.isHeldUp) this.#close(this.#outcome)
  }

  #closeWithin(ms: number): void {
    this.#timers.push(setTimeout(() => this.#close(this.#outcome ?? 'timed out'), ms).unref())
  }

  #close(outcome: Outcome): void {
    if (!this.#open) return
    this.#open = false
    // They would keep what is over in memory until their time.
    for (const timer of this.#timers) clearTimeout(timer)
    this.#fromClient.destroySink()
    this.#fromUpstream.destroySink()
    this.#onClose(this.#reason ?? outcome)
  }
}

/** One direction, from a socket that is read to one that is written. */
class Lane {
  readonly source: Socket
  readonly sink: Socket
  /** Whether frames are masked on this way. */
  readonly masked: boolean
  readonly #frames = new FrameBoundaries()
  #lastWord: Buffer | undefined
  #isOver = false
  #isHeldUp = false

  constructor(source: Socket, sink: Socket, masked: boolean) {
    this.source = source
    this.sink = sink
    this.masked = masked
  }

  /** Nothing more is passed on; what still comes is dropped. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** The source is not read, because bytes wait for the sink. */
  get isHeldUp(): boolean {
    return this.#isHeldUp
  }

  /** A close frame has passed, and nothing has begun after it. */
  get closed(): boolean {
    return this.#frames.closed && this.#frames.atBoundary
  }

  pass(chunk: Buffer): void {
    if (this.#isOver) return
    const end = this.#frames.read(chunk, this.#lastWord !== undefined)
    if (!this.sink.writable) {
      this.giveUp()
      return
    }
    if (!this.sink.write(end === chunk.length ? chunk : chunk.subarray(0, end))) {
      this.#isHeldUp = true
      this.source.pause()
    }
    this.#sayLastWord()
  }

  /** Reads on. */
  goOn(): void {
    this.#isHeldUp = false
    this.source.resume()
  }

  /** Ends this direction with a frame, after the one that is passing, or without where a close frame has passed. */
  finish(frame: Buffer): void {
    this.#lastWord ??= frame
    this.#sayLastWord()
  }

  #sayLastWord(): void {
    if (this.#isOver || this.#lastWord === undefined || !this.#frames.atBoundary) return
    if (!this.#frames.closed && this.sink.writable) this.sink.write(this.#lastWord)
    this.end()
  }

  /** Passes on that there is no more. */
  end(): void {
    if (this.#isOver) return
    this.giveUp()
    if (this.sink.writable) this.sink.end()
  }

  /** There is nobody to pass anything on to. */
  giveUp(): void {
    this.#isOver = true
    this.goOn()
  }

  /** Closes the sink in order where it has all, or with a reset where the rest is lost. */
  destroySink(): void {
    const { sink } = this
    const hasAll = sink.writableLength === 0 && (this.#isOver || this.closed)
    if (hasAll) sink.destroy()
    else reset(sink)
  }
}
