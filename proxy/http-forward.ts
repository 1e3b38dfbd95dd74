import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Client, Dispatcher } from 'undici'
import {
  type EndReason,
  holderKey,
  type LiveCandidate,
  type LiveConnection,
  type LiveConnections,
  type Outcome
} from '../auth/live-connection-limits.ts'
import { isRefusal, Refusal, rateLimited } from '../auth/refusals.ts'
import type { SessionResolver } from '../auth/session-resolver.ts'
import { codeOf } from '../db/error-code.ts'
import { breakOff, breakOffOnceWritten, endWithin } from './close-connection.ts'
import type { Cors } from './cors.ts'
import { countPassed } from './garbage-collection.ts'
import { type BodyLimits, discardBody } from './request-body.ts'
import type { RequestContext } from './request-context.ts'
import { clientHead, clientTrailers, earlyHints } from './response-headers.ts'
import type { Borrower, ConnectionPool } from './upstream/connection-pool.ts'

/** Hears how a forward ended: one that did not end well, or a WebSocket, however it ended. */
export type OnOutcome = (request: IncomingMessage, outcome: Outcome, status?: number) => void

/** What every forward of a gateway works with. */
export interface ForwardServices {
  readonly cors: Cors
  readonly limits: BodyLimits
  readonly live: LiveConnections
  /** Ties a connection that stays open to the session of an identity; answers how to untie it. */
  readonly tie: SessionResolver['tie']
  readonly onOutcome: OnOutcome
}

/** One request to an upstream. */
export interface UpstreamRequest {
  readonly connections: ConnectionPool
  /** Its path has the client's own bytes. */
  readonly send: Dispatcher.DispatchOptions
  /** Whether to send again when an idle upstream connection turns out to be closed: only what changes nothing. */
  readonly repeatable: boolean
  /** For a handshake: is given the connection when the upstream takes it, and with it all responsibility. */
  readonly onUpgrade?: (rawHeaders: readonly (Buffer | string)[], socket: Socket) => void
}

// Bytes of a body that is held until it is known to be whole, which it is in the same turn of the event loop.
const heldBodyBytes = 16_384

// Bytes that may wait for the client before the upstream has to wait: two chunks as Node reads them. With one chunk the
// upstream would have to wait after every chunk, since Node writes only at the end of the turn, even to a fast client.
const highWaterMark = 131_072

// How an upstream's closing of an idle connection looks to the request that was just being sent on it.
const closedConnection = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

const busyRetryAfterSeconds = 2

/**
 * One request on its way to the upstream and its response on its way back, streamed with back-pressure. Until the
 * response begins, Fastify owns the reply, so that a failure becomes a refusal; from then on the bytes go straight to
 * the socket, and a failure can only break the connection off. A forward that goes on for five seconds, and every event
 * stream, is a live connection: it ends with its session.
 */
export class HttpForward implements Dispatcher.DispatchHandler, LiveConnection, Borrower, LiveCandidate {
  readonly #context: RequestContext
  readonly #request: IncomingMessage
  readonly #reply: FastifyReply
  readonly #response: ServerResponse
  readonly #upstream: UpstreamRequest
  readonly #services: ForwardServices
  #connection: Client | undefined
  #controller: Dispatcher.DispatchController | undefined
  #attempts = 0
  /** The first part of the body, or its end, has come. */
  #bodyBegan = false
  /** The length of the body that the upstream declared. */
  #length: number | undefined
  /** The whole of a small body that came in one chunk. */
  #heldBody: Buffer | undefined
  /** Nobody waits for the rest: the client left, or the gateway ended the forward. */
  #abandoned = false
  /** The connection to the upstream is given back. */
  #over = false
  #isEventStream = false
  /** Counted among the live connections, and no longer among the connections for requests. */
  #isLive = false
  #untie: (() => void) | undefined
  #refusal: Refusal | undefined

  constructor(context: RequestContext, reply: FastifyReply, upstream: UpstreamRequest, services: ForwardServices) {
    this.#context = context
    this.#request = context.raw
    this.#reply = reply
    this.#response = reply.raw
    this.#upstream = upstream
    this.#services = services
    this.#response.on('close', () => this.#onClientClose())
  }

  get kind(): 'event-stream' | 'response' {
    return this.#isEventStream ? 'event-stream' : 'response'
  }

  get holder(): string {
    return holderKey(this.#context.holder)
  }

  start(): void {
    const { connections, send } = this.#upstream
    if (send.body !== null) this.#services.live.watch(this)
    connections.take(this)
  }

  onConnection(connection: Client): void {
    this.#connection = connection
    this.#dispatch(connection)
  }

  onNoConnection(why: 'busy' | 'share'): void {
    this.#services.live.unwatch(this)
    this.#over = true
    if (this.#isClientGone()) this.#reply.hijack()
    else this.#reply.send(refusalWithoutPlace(why))
  }

  // A repetition is sent on the same `Client`, which then opens a new connection.
  #dispatch(connection: Client): void {
    this.#attempts++
    this.#controller = undefined
    connection.dispatch(this.#upstream.send, this)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isClientGone()) controller.abort(new Error('the client went away'))
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    _status: number,
    _headers: unknown,
    socket: Duplex
  ): void {
    this.#giveBack()
    this.#release()
    const { onUpgrade } = this.#upstream
    // The connector makes only sockets; undici's types are wider.
    if (onUpgrade === undefined || this.#isClientGone() || !(socket instanceof Socket)) socket.destroy()
    else onUpgrade(rawHeadersOf(controller.rawHeaders), socket)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText?: string
  ): void {
    const request = this.#request
    const response = this.#response
    const rawHeaders = rawHeadersOf(controller.rawHeaders)
    if (status < 200) {
      // HTTP/1.0 has no interim responses (RFC 9110, section 15.2).
      if (status === 103 && request.httpVersionMinor === 1) response.socket?.write(earlyHints(rawHeaders), 'latin1')
      return
    }
    const mayBeChunked = request.httpVersionMinor === 1 && request.method !== 'HEAD' && !isBodyless(status)
    const head = clientHead(rawHeaders, this.#context, this.#services.cors, mayBeChunked)
    if (head.isEventStream) {
      this.#isEventStream = true
      const admission = this.#services.live.admit(this, this.#context.holder)
      if (admission !== 'admitted') {
        this.#refusal = refusalWithoutPlace(admission)
        controller.abort(this.#refusal)
        return
      }
      this.#onAdmitted()
    }
    this.#length = head.length
    response.writeHead(status, reasonPhrase(statusText), head.headers)
    this.#reply.hijack()
    if (head.isEventStream) this.#tie()
    // Head and body that came together are written together. The head of an event stream, which may be silent for long, is
    // not kept back for a body.
    queueMicrotask(() => {
      if (this.#over || response.writableEnded) return
      if (!this.#isEventStream) this.#watchResponse()
      if (this.#bodyBegan) return
      // `flushHeaders` would encode header values in UTF-8, and they are latin1 here. It is used only where no body may
      // be, because nothing else writes the head there.
      if (request.method === 'HEAD' || isBodyless(status)) response.flushHeaders()
      else response.write('', 'latin1')
    })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const response = this.#response
    this.#bodyBegan = true
    if (chunk.length === this.#length && chunk.length <= heldBodyBytes) {
      this.#heldBody = chunk
      return
    }
    // Undici's parser emits an empty chunk when it goes on after a pause.
    if (chunk.length === 0) return
    countPassed(chunk.length)
    if (response.write(chunk)) return
    if (response.writableLength < highWaterMark && !response.destroyed) return
    controller.pause()
    response.once('drain', () => controller.resume())
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const response = this.#response
    const { connections } = this.#upstream
    this.#bodyBegan = true
    // Undici takes a reset for the end of a body that is framed by the end of its connection.
    const isBroken =
      this.#length === undefined && this.#connection !== undefined && connections.isReset(this.#connection)
    this.#giveBack()
    if (isBroken) {
      this.#breakOff()
      return
    }
    const trailers = Array.isArray(controller.rawTrailers) ? clientTrailers(controller.rawTrailers) : []
    if (trailers.length > 0) response.addTrailers(trailers)
    // A latin1 string is joined with the head into one write; a buffer would be written apart from it.
    if (this.#heldBody === undefined) response.end()
    else response.end(this.#heldBody.toString('latin1'), 'latin1')
    // A slow client may take longer than five seconds for what is still buffered.
    if (this.#heldBody === undefined && response.writableLength > 0) this.#services.live.watch(this)
    // The upstream may have answered before the end of the upload.
    discardBody(this.#request, this.#services.limits)
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    const response = this.#response
    if (this.#refusal === undefined && this.#mayRepeat(error) && this.#connection !== undefined) {
      this.#dispatch(this.#connection)
      return
    }
    this.#giveBack()
    if (this.#abandoned) return
    if (response.headersSent) {
      // Undici expects a body of the length that a 304 declares for the full response (RFC 9110, section 8.6).
      if (isBodyless(response.statusCode) && codeOf(error) === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') response.end()
      else this.#breakOff()
      return
    }
    if (this.#isClientGone()) {
      this.#reply.hijack()
      response.destroy()
      return
    }
    this.#reply.send(this.#refusal ?? this.#refusalFor(error))
  }

  // What has arrived of the response is still sent to the client, as it would be without a gateway between them.
  #breakOff(): void {
    this.#services.onOutcome(this.#request, 'upstream broke off')
    breakOffOnceWritten(this.#request, this.#response, this.#length)
  }

  /** {@link LiveCandidate} */
  onLongRunning(): void {
    if (!this.#goesOn()) return
    this.#tie()
    // Where too many connections are live already, the forward keeps its place among the connections for requests: a
    // response that has begun is not broken off for that.
    if (!this.#over && this.#services.live.admit(this, this.#context.holder) === 'admitted') this.#onAdmitted()
  }

  /**
   * Ends the forward. An event stream ends as if the upstream had ended it, so that its client asks again and is refused.
   * Everything else is broken off: half of a file must not look like the whole.
   */
  end(reason: EndReason): void {
    // The upload is over by now, and the response has not begun.
    if (!this.#goesOn()) {
      this.#releaseSession()
      return
    }
    this.#abandoned = true
    this.#services.onOutcome(this.#request, reason)
    if (!this.#response.headersSent) this.#reply.hijack()
    if (this.#isEventStream && !this.#response.writableEnded) endWithin(this.#response)
    else breakOff(this.#request, this.#response, this.#length)
    this.#stop(reason)
  }

  // Whether something is still on its way to or from the client.
  #goesOn(): boolean {
    if (this.#abandoned || this.#response.writableFinished) return false
    return this.#response.headersSent || !this.#request.complete
  }

  // With `keepOpen` an upload is tied to its session and the response to its user alone: the tie is made anew.
  #watchResponse(): void {
    if (this.#context.rule?.keepOpen === true) this.#releaseSession()
    this.#services.live.watch(this)
  }

  #tie(): void {
    const { identity, rule } = this.#context
    if (this.#untie !== undefined || identity === null) return
    const keepOpen = rule?.keepOpen === true && !this.#isEventStream && this.#response.headersSent
    this.#untie = this.#services.tie(identity, () => this.end('session ended'), { keepOpen })
  }

  #onAdmitted(): void {
    if (this.#isLive) return
    this.#isLive = true
    if (this.#connection !== undefined) this.#upstream.connections.releasePlace(this)
  }

  // The client went away, or has all of its response.
  #onClientClose(): void {
    this.#release()
    const response = this.#response
    if (response.writableFinished) return
    // The first outcome that is told counts: where the gateway closed the connection, it has told another one before.
    this.#services.onOutcome(this.#request, 'client left', response.headersSent ? response.statusCode : undefined)
    if (this.#abandoned) return
    this.#abandoned = true
    this.#stop('the client went away')
  }

  #stop(reason: string): void {
    if (this.#connection === undefined) this.#over = true
    this.#upstream.connections.cancel(this)
    this.#controller?.abort(new Error(reason))
  }

  #giveBack(): void {
    if (this.#over) return
    this.#over = true
    if (this.#connection === undefined) return
    const opened = this.#controller !== undefined
    this.#upstream.connections.giveBack(this, this.#connection, { counted: !this.#isLive, opened })
  }

  // Called when the client has gone or has its whole response, and not when the upstream has sent it: a slow client may
  // still be reading what the upstream said long ago, and its connection is live until then.
  #release(): void {
    const { live } = this.#services
    live.unwatch(this)
    live.delete(this)
    this.#releaseSession()
  }

  #releaseSession(): void {
    this.#untie?.()
    this.#untie = undefined
  }

  #isClientGone(): boolean {
    return this.#abandoned || this.#response.destroyed || this.#request.socket.destroyed
  }

  #mayRepeat(error: Error): boolean {
    return (
      this.#upstream.repeatable &&
      !this.#isClientGone() &&
      !this.#response.headersSent &&
      this.#attempts === 1 &&
      this.#controller !== undefined &&
      closedConnection.has(codeOf(error) ?? '')
    )
  }

  #refusalFor(error: Error): Refusal {
    const { onOutcome } = this.#services
    if (isRefusal(error, 'BODY_TOO_LARGE')) return error
    if (isRefusal(error, 'REQUEST_TIMEOUT')) {
      onOutcome(this.#request, 'timed out')
      this.#response.shouldKeepAlive = false
      return error
    }
    if (codeOf(error) === 'UND_ERR_HEADERS_TIMEOUT') {
      onOutcome(this.#request, 'timed out')
      return new Refusal('UPSTREAM_TIMEOUT', { cause: error })
    }
    if (this.#controller === undefined) return new Refusal('UPSTREAM_UNREACHABLE', { cause: error })
    onOutcome(this.#request, 'upstream broke off')
    return new Refusal('UPSTREAM_FAILED', { cause: error })
  }
}

/** The refusal for a request that gets no connection: all are busy, or its holder has its share. */
export function refusalWithoutPlace(why: 'busy' | 'share'): Refusal {
  return why === 'busy' ? new Refusal('UPSTREAM_BUSY') : rateLimited(busyRetryAfterSeconds)
}

function rawHeadersOf(rawHeaders: unknown): readonly (Buffer | string)[] {
  return Array.isArray(rawHeaders) ? rawHeaders : []
}

function reasonPhrase(text: string | undefined): string {
  return text !== undefined && /^[\t\x20-\x7e\x80-\xff]*$/.test(text) ? text : ''
}

function isBodyless(status: number): boolean {
  return status === 204 || status === 304
}
