import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Client, Dispatcher } from 'undici'
import {
  type EndReason,
  type Exchange,
  type Holder,
  type LiveConnection,
  type LiveConnections,
  nameOf,
  type Outcome
} from '../auth/live-connections.ts'
import { isRefusal, Refusal, rateLimited } from '../auth/refusals.ts'
import { codeOf } from '../db/narrowing.ts'
import { breakOff, breakOffOnceWritten, endWithin } from './lingering-close.ts'
import { type BodyLimits, countPassed, discardBody } from './request-body.ts'
import {
  type ClientHead,
  clientHead,
  clientTrailers,
  earlyHints,
  type ResponseMarks,
  withoutTrailer
} from './response-headers.ts'
import type { Borrower, ConnectionPool } from './upstream/connection-pool.ts'

/** Ties something that lasts to the session of whoever asked; answers how to untie it. */
export type Tie = (end: () => void, options?: { readonly keepOpen?: boolean }) => () => void

export interface HttpForwardOptions {
  readonly connections: ConnectionPool
  readonly live: LiveConnections
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** The upstream request. Its path has the client's own bytes. */
  readonly send: Dispatcher.DispatchOptions
  readonly marks: () => ResponseMarks
  readonly limits: BodyLimits
  /** Whether to send again when an idle upstream connection turns out to be closed: only what changes nothing. */
  readonly repeatable: boolean
  readonly holder: Holder
  /** Undefined for the anonymous, whose connections no session ends. */
  readonly tie: Tie | undefined
  /** Whether a response outlives its session, though not its user. */
  readonly keepOpen: boolean
  /** Is told how the exchange ended where it did not end well. */
  readonly onOutcome: (outcome: Outcome, status?: number) => void
  /** For a handshake: is given the connection when the upstream takes it, and with it all responsibility. */
  readonly onUpgrade?: ((rawHeaders: readonly (Buffer | string)[], socket: Socket) => void) | undefined
}

// Bytes of a body that is held until it is known to be all, which it is in the same turn of the event loop.
const wholeAtMost = 16_384

// Bytes that may wait for the client before the upstream has to: two pieces as Node reads them. With one it would have
// to after every piece, since a piece waits until the end of the turn even where the client is fast.
const waitingAtMost = 131_072

// What an upstream that closes an idle connection looks like to the request that was just being sent on it.
const closedConnection = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

// Seconds.
const busyRetryAfter = 2

/**
 * One request on its way to the upstream and its response on its way back, streamed with back-pressure. Until the
 * response begins, Fastify owns the reply, so that a failure becomes a refusal; from then on the bytes go straight to
 * the socket, and a failure can only break the connection off. What goes on for five seconds, and every event stream, is
 * a live connection: it ends with its session.
 */
export class HttpForward implements Dispatcher.DispatchHandler, LiveConnection, Borrower, Exchange {
  readonly #options: HttpForwardOptions
  #connection: Client | undefined
  #controller: Dispatcher.DispatchController | undefined
  #attempts = 0
  /** The first part of the body, or its end, has come. */
  #begun = false
  /** What the upstream declared. */
  #length: number | undefined
  /** All of a small body that came in one piece. */
  #whole: Buffer | undefined
  /** Nobody waits for the rest: the client left, or the gateway ended it. */
  #abandoned = false
  /** The connection to the upstream is given back. */
  #over = false
  #isEventStream = false
  /** Taken in among the live connections, so that it no longer counts among those for requests. */
  #lasts = false
  #untie: (() => void) | undefined
  #refused: Error | undefined

  constructor(options: HttpForwardOptions) {
    this.#options = options
    options.reply.raw.on('close', () => this.#onClientClose())
  }

  get kind(): 'event-stream' | 'response' {
    return this.#isEventStream ? 'event-stream' : 'response'
  }

  get holder(): string {
    return nameOf(this.#options.holder)
  }

  start(): void {
    const { live, connections, send } = this.#options
    if (send.body !== null) live.watch(this)
    connections.take(this)
  }

  onConnection(connection: Client): void {
    this.#connection = connection
    this.#dispatch(connection)
  }

  onNoConnection(why: 'busy' | 'share'): void {
    this.#options.live.unwatch(this)
    this.#over = true
    if (this.#isGone()) this.#options.reply.hijack()
    else this.#options.reply.send(refusalFor(why))
  }

  // A second time on the same connection, which is then opened anew.
  #dispatch(connection: Client): void {
    this.#attempts++
    this.#controller = undefined
    connection.dispatch(this.#options.send, this)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isGone()) controller.abort(new Error('the client went away'))
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    _status: number,
    _headers: unknown,
    socket: Duplex
  ): void {
    this.#giveBack()
    this.#release()
    const { onUpgrade } = this.#options
    // Our connector makes nothing but sockets; undici's types are wider.
    if (onUpgrade === undefined || this.#isGone() || !(socket instanceof Socket)) socket.destroy()
    else onUpgrade(Array.isArray(controller.rawHeaders) ? controller.rawHeaders : [], socket)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText?: string
  ): void {
    const { reply, request, marks, live, holder } = this.#options
    const { raw } = reply
    const rawHeaders = Array.isArray(controller.rawHeaders) ? controller.rawHeaders : []
    if (status < 200) {
      // HTTP/1.0 knows no interim answers.
      if (status === 103 && request.raw.httpVersionMinor === 1) raw.socket?.write(earlyHints(rawHeaders), 'latin1')
      return
    }
    const head = clientHead(rawHeaders, marks())
    if (head.isEventStream) {
      this.#isEventStream = true
      const admission = live.admit(this, holder)
      if (admission !== 'admitted') {
        this.#refused = refusalFor(admission)
        controller.abort(this.#refused)
        return
      }
      this.#onAdmitted()
    }
    this.#length = head.length
    raw.writeHead(
      status,
      reasonPhrase(statusText),
      mayHaveTrailers(request, status, head) ? head.headers : withoutTrailer(head)
    )
    reply.hijack()
    if (head.isEventStream) this.#tie()
    // What came together leaves together; an event stream may be silent for long, and its client waits for the headers.
    queueMicrotask(() => {
      if (this.#over || raw.writableEnded) return
      if (!this.#isEventStream) this.#watchResponse()
      if (this.#begun) return
      // Not by `flushHeaders`, which encodes in UTF-8 what is one byte a character here. Where no body may be, nothing
      // else writes them.
      if (request.raw.method === 'HEAD' || isBodyless(status)) raw.flushHeaders()
      else raw.write('', 'latin1')
    })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { raw } = this.#options.reply
    this.#begun = true
    if (chunk.length === this.#length && chunk.length <= wholeAtMost) {
      this.#whole = chunk
      return
    }
    // What undici's parser makes of going on after a pause.
    if (chunk.length === 0) return
    countPassed(chunk.length)
    if (raw.write(chunk)) return
    if (raw.writableLength < waitingAtMost && !raw.destroyed) return
    controller.pause()
    raw.once('drain', () => controller.resume())
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const { reply, request, limits, live, connections } = this.#options
    this.#begun = true
    // Undici takes a reset for the end of a body that has no other end.
    const broken = this.#length === undefined && this.#connection !== undefined && connections.isReset(this.#connection)
    this.#giveBack()
    if (broken) {
      this.#breakOff()
      return
    }
    const trailers = Array.isArray(controller.rawTrailers) ? clientTrailers(controller.rawTrailers) : []
    if (trailers.length > 0) reply.raw.addTrailers(trailers)
    // As text of one byte a character it is joined with the head, and written without being copied into a buffer first.
    if (this.#whole === undefined) reply.raw.end()
    else reply.raw.end(this.#whole.toString('latin1'), 'latin1')
    // The client may take long for what still waits for it.
    if (this.#whole === undefined && reply.raw.writableLength > 0) live.watch(this)
    // An answer before the end of the upload.
    discardBody(request.raw, limits)
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    const { reply } = this.#options
    if (this.#refused === undefined && this.#mayRepeat(error) && this.#connection !== undefined) {
      this.#dispatch(this.#connection)
      return
    }
    this.#giveBack()
    if (this.#abandoned) return
    if (reply.raw.headersSent) {
      // Undici holds a body against the length of the one that a 304 is about (RFC 9110, section 8.6).
      if (isBodyless(reply.raw.statusCode) && codeOf(error) === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') reply.raw.end()
      else this.#breakOff()
      return
    }
    if (this.#isGone()) {
      reply.hijack()
      reply.raw.destroy()
      return
    }
    reply.send(this.#refused ?? this.#refusal(error))
  }

  // What has come of the response is the client's, as it would be without a gateway between them.
  #breakOff(): void {
    const { reply, request, onOutcome } = this.#options
    onOutcome('upstream broke off')
    breakOffOnceWritten(request.raw, reply.raw, this.#length)
  }

  /** {@link Exchange} */
  onLasting(): void {
    if (!this.#goesOn()) return
    this.#tie()
    // Where too many last already, it keeps its place among those for requests: what has begun is not broken off for that.
    if (!this.#over && this.#options.live.admit(this, this.#options.holder) === 'admitted') this.#onAdmitted()
  }

  /**
   * Ends the exchange. An event stream ends as if the upstream had ended it, so that its client asks again and is
   * refused. Everything else is broken off: half of a file must not look like the whole.
   */
  end(reason: EndReason): void {
    // The upload is over by now, and the response has not begun.
    if (!this.#goesOn()) {
      this.#untie?.()
      this.#untie = undefined
      return
    }
    const { reply, request, onOutcome } = this.#options
    this.#abandoned = true
    onOutcome(reason)
    if (!reply.raw.headersSent) reply.hijack()
    if (this.#isEventStream && !reply.raw.writableEnded) endWithin(reply.raw)
    else breakOff(request.raw, reply.raw, this.#length)
    this.#stop(reason)
  }

  // Whether something is still on its way to or from the client.
  #goesOn(): boolean {
    const { reply, request } = this.#options
    if (this.#abandoned || reply.raw.writableFinished) return false
    return reply.raw.headersSent || !request.raw.complete
  }

  // An upload on a rule that keeps responses open was tied as what it was; its response is another matter.
  #watchResponse(): void {
    if (this.#options.keepOpen) {
      this.#untie?.()
      this.#untie = undefined
    }
    this.#options.live.watch(this)
  }

  #tie(): void {
    const { tie, keepOpen, reply } = this.#options
    const mayOutlast = keepOpen && !this.#isEventStream && reply.raw.headersSent
    this.#untie ??= tie?.(() => this.end('session ended'), { keepOpen: mayOutlast })
  }

  #onAdmitted(): void {
    if (this.#lasts) return
    this.#lasts = true
    if (this.#connection !== undefined) this.#options.connections.lasts(this)
  }

  // The client went away, or has all of its answer.
  #onClientClose(): void {
    this.#release()
    const { reply, onOutcome } = this.#options
    if (reply.raw.writableFinished) return
    // Unless another outcome was told before: then the gateway closed the connection.
    onOutcome('client left', reply.raw.headersSent ? reply.raw.statusCode : undefined)
    if (this.#abandoned) return
    this.#abandoned = true
    this.#stop('the client went away')
  }

  #stop(reason: string): void {
    if (this.#connection === undefined) this.#over = true
    this.#options.connections.cancel(this)
    this.#controller?.abort(new Error(reason))
  }

  #giveBack(): void {
    if (this.#over) return
    this.#over = true
    if (this.#connection === undefined) return
    const opened = this.#controller !== undefined
    this.#options.connections.giveBack(this, this.#connection, { counted: !this.#lasts, opened })
  }

  // A slow client may still be reading what the upstream said long ago: it is live until it has gone, or has it all.
  #release(): void {
    const { live } = this.#options
    live.unwatch(this)
    live.delete(this)
    this.#untie?.()
    this.#untie = undefined
  }

  #isGone(): boolean {
    const { reply, request } = this.#options
    return this.#abandoned || reply.raw.destroyed || request.raw.socket.destroyed
  }

  #mayRepeat(error: Error): boolean {
    return (
      this.#options.repeatable &&
      !this.#isGone() &&
      !this.#options.reply.raw.headersSent &&
      this.#attempts === 1 &&
      this.#controller !== undefined &&
      closedConnection.has(codeOf(error) ?? '')
    )
  }

  #refusal(error: Error): Error {
    if (isRefusal(error, 'BODY_TOO_LARGE')) return error
    if (isRefusal(error, 'REQUEST_TIMEOUT')) {
      this.#options.onOutcome('timed out')
      this.#options.reply.raw.shouldKeepAlive = false
      return error
    }
    if (codeOf(error) === 'UND_ERR_HEADERS_TIMEOUT') {
      this.#options.onOutcome('timed out')
      return withCause(new Refusal('UPSTREAM_TIMEOUT'), error)
    }
    if (this.#controller === undefined) return withCause(new Refusal('UPSTREAM_UNREACHABLE'), error)
    this.#options.onOutcome('upstream broke off')
    return withCause(new Refusal('UPSTREAM_FAILED'), error)
  }
}

/** What is said to whoever gets no connection. */
export function refusalFor(why: 'busy' | 'share'): Error {
  return why === 'busy' ? new Refusal('UPSTREAM_BUSY') : rateLimited(busyRetryAfter)
}

function withCause(refusal: Error, cause: Error): Error {
  refusal.cause = cause
  return refusal
}

function reasonPhrase(text: string | undefined): string {
  return text !== undefined && /^[\t\x20-\x7e\x80-\xff]*$/.test(text) ? text : ''
}

function isBodyless(status: number): boolean {
  return status === 204 || status === 304
}

// Only a chunked response can carry trailers.
function mayHaveTrailers({ raw }: FastifyRequest, status: number, { length }: ClientHead): boolean {
  return raw.httpVersionMinor === 1 && raw.method !== 'HEAD' && !isBodyless(status) && length === undefined
}
