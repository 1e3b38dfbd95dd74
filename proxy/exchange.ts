import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import {
  BodyTooLargeError,
  RequestTimeoutError,
  UpstreamFailedError,
  UpstreamTimeoutError,
  UpstreamUnreachableError
} from './errors.ts'
import { type BodyLimits, discardBody } from './request-body.ts'
import {
  type ClientHead,
  clientHead,
  clientTrailers,
  earlyHints,
  type ResponseMarks,
  withoutTrailer
} from './response-headers.ts'
import { AnswerMemory } from './spent-memory.ts'

export interface ExchangeOptions {
  readonly dispatcher: Dispatcher
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** The upstream request. Its path has the client's own bytes. */
  readonly send: Dispatcher.DispatchOptions
  readonly marks: () => ResponseMarks
  readonly limits: BodyLimits
  /** Whether to send again when an idle upstream connection turns out to be closed: only what changes nothing. */
  readonly repeatable: boolean
  /** Is told of an event stream, which stays open, and how to end it; answers what to call when it is over. */
  readonly onStream?: ((end: () => void) => () => void) | undefined
}

// Bytes of a body that is held until it is known to be all, which it is in the same turn of the event loop.
const wholeAtMost = 16_384

// Bytes that may wait for the client before the upstream has to: two pieces as Node reads them. With one it would have
// to after every piece, since a piece waits until the end of the turn even where the client is fast.
const waitingAtMost = 131_072

// What an upstream that closes an idle connection looks like to the request that was just being sent on it.
const closedConnection = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/**
 * One request on its way to the upstream and its response on its way back, streamed with back-pressure. Until the
 * response begins, Fastify owns the reply, so that a failure becomes a refusal; from then on the bytes go straight to
 * the socket, and a failure can only cut the connection.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions
  #controller: Dispatcher.DispatchController | undefined
  #attempts = 0
  #begun = false
  /** What the upstream declared. */
  #length: number | undefined
  /** All of a small body that came in one piece. */
  #whole: Buffer | undefined
  /** Where the parts of a larger one lie. */
  #memory: AnswerMemory | undefined
  #abandoned = false
  #ended = false

  constructor(options: ExchangeOptions) {
    this.#options = options
    options.reply.raw.on('close', () => this.#abandon())
  }

  // The client went away: nobody waits for the rest.
  #abandon(): void {
    if (this.#abandoned || this.#options.reply.raw.writableFinished) return
    this.#abandoned = true
    this.#controller?.abort(new Error('the client went away'))
  }

  start(): void {
    this.#attempts++
    this.#controller = undefined
    this.#options.dispatcher.dispatch(this.#options.send, this)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isGone()) controller.abort(new Error('the client went away'))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText?: string
  ): void {
    const { reply, request, marks } = this.#options
    const { raw } = reply
    const rawHeaders = Array.isArray(controller.rawHeaders) ? controller.rawHeaders : []
    if (status < 200) {
      // HTTP/1.0 knows no interim answers.
      if (status === 103 && request.raw.httpVersionMinor === 1) raw.socket?.write(earlyHints(rawHeaders), 'latin1')
      return
    }
    const head = clientHead(rawHeaders, marks())
    this.#length = head.length
    raw.writeHead(
      status,
      reasonPhrase(statusText),
      mayHaveTrailers(request, status, head) ? head.headers : withoutTrailer(head)
    )
    reply.hijack()
    const { onStream } = this.#options
    if (onStream !== undefined && head.isEventStream)
      raw.once(
        'close',
        onStream(() => this.#endStream())
      )
    // What came together leaves together; an event stream may be silent for long, and its client waits for the headers.
    queueMicrotask(() => {
      if (this.#begun || raw.writableEnded) return
      // Not by `flushHeaders`, which encodes in UTF-8 what is one byte a character here. Where no body may be, nothing
      // else writes them.
      if (request.raw.method === 'HEAD' || status === 204 || status === 304) raw.flushHeaders()
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
    this.#memory ??= new AnswerMemory()
    if (raw.write(chunk, this.#memory.beforeWrite(chunk))) return
    if (raw.writableLength < waitingAtMost && !raw.destroyed) return
    controller.pause()
    raw.once('drain', () => controller.resume())
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const { reply, request, limits } = this.#options
    this.#begun = true
    const trailers = Array.isArray(controller.rawTrailers) ? clientTrailers(controller.rawTrailers) : []
    if (trailers.length > 0) reply.raw.addTrailers(trailers)
    // As text of one byte a character it is joined with the head, and written without being copied into a buffer first.
    if (this.#whole === undefined) reply.raw.end()
    else reply.raw.end(this.#whole.toString('latin1'), 'latin1')
    // An answer before the end of the upload.
    discardBody(request.raw, limits)
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#ended) return
    const { reply } = this.#options
    if (reply.raw.headersSent) {
      reply.raw.destroy()
      return
    }
    if (this.#isGone()) {
      reply.hijack()
      reply.raw.destroy()
      return
    }
    if (this.#mayRepeat(error)) this.start()
    else reply.send(this.#refusal(error))
  }

  // The session is over: the stream ends as if the upstream had ended it, so that its client asks again and is refused.
  #endStream(): void {
    this.#ended = true
    this.#options.reply.raw.end()
    this.#controller?.abort(new Error('the session ended'))
  }

  #isGone(): boolean {
    const { reply, request } = this.#options
    return this.#abandoned || reply.raw.destroyed || request.raw.socket.destroyed
  }

  #mayRepeat(error: Error): boolean {
    return (
      this.#options.repeatable &&
      this.#attempts === 1 &&
      this.#controller !== undefined &&
      closedConnection.has(codeOf(error))
    )
  }

  #refusal(error: Error): Error {
    if (error instanceof BodyTooLargeError) return error
    if (error instanceof RequestTimeoutError) {
      this.#options.reply.raw.shouldKeepAlive = false
      return error
    }
    const code = codeOf(error)
    if (code === 'UND_ERR_HEADERS_TIMEOUT') return withCause(new UpstreamTimeoutError(), error)
    return withCause(this.#controller === undefined ? new UpstreamUnreachableError() : new UpstreamFailedError(), error)
  }
}

function withCause(refusal: Error, cause: Error): Error {
  refusal.cause = cause
  return refusal
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}

function reasonPhrase(text: string | undefined): string {
  return text !== undefined && /^[\t\x20-\x7e\x80-\xff]*$/.test(text) ? text : ''
}

// Only a chunked response can carry trailers.
function mayHaveTrailers({ raw }: FastifyRequest, status: number, { length }: ClientHead): boolean {
  return raw.httpVersionMinor === 1 && raw.method !== 'HEAD' && status !== 204 && status !== 304 && length === undefined
}
