import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { UpstreamFailedError, UpstreamTimeoutError, UpstreamUnreachableError } from './errors.ts'
import { clientHeaders, type ResponseMarks } from './response-headers.ts'

export interface ExchangeOptions {
  readonly dispatcher: Dispatcher
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** The upstream request. Its path has the client's own bytes. */
  readonly send: Dispatcher.DispatchOptions
  readonly marks: () => ResponseMarks
  /** Whether to send again when an idle upstream connection turns out to be closed: only what changes nothing. */
  readonly repeatable: boolean
}

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

  constructor(options: ExchangeOptions) {
    this.#options = options
    const { raw } = options.reply
    raw.on('close', () => {
      // The client went away: nobody waits for the rest.
      if (!raw.writableFinished) this.#controller?.abort(new Error('the client went away'))
    })
  }

  start(): void {
    this.#attempts++
    this.#controller = undefined
    this.#options.dispatcher.dispatch(this.#options.send, this)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#options.reply.raw.destroyed) controller.abort(new Error('the client went away'))
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
      if (status === 103) writeEarlyHints(raw, rawHeaders)
      return
    }
    reply.hijack()
    // An answer before the end of the upload: what is still to come must not be read as the next request.
    if (!request.raw.complete) raw.shouldKeepAlive = false
    raw.writeHead(status, reasonPhrase(statusText), clientHeaders(rawHeaders, marks()))
    // What came together leaves together; an event stream may be silent for long, and its client waits for the headers.
    queueMicrotask(() => {
      if (!this.#begun) raw.flushHeaders()
    })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { raw } = this.#options.reply
    this.#begun = true
    if (raw.write(chunk)) return
    controller.pause()
    raw.once('drain', () => controller.resume())
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const { raw } = this.#options.reply
    this.#begun = true
    const trailers = trailerPairs(controller)
    if (trailers.length > 0) raw.addTrailers(trailers)
    raw.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    const { reply } = this.#options
    if (reply.raw.headersSent) {
      reply.raw.destroy()
      return
    }
    if (reply.raw.destroyed) {
      reply.hijack()
      return
    }
    if (this.#mayRepeat(error)) this.start()
    else reply.send(this.#refusal(error))
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
    if ('statusCode' in error && codeOf(error).match(/^(BODY_TOO_LARGE|REQUEST_TIMEOUT)$/) !== null) {
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

function trailerPairs(controller: Dispatcher.DispatchController): [string, string][] {
  const raw = Array.isArray(controller.rawTrailers) ? controller.rawTrailers : []
  const pairs: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) pairs.push([String(raw[i]), String(raw[i + 1])])
  return pairs
}

function writeEarlyHints(raw: FastifyReply['raw'], rawHeaders: readonly (Buffer | string)[]): void {
  const links: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (String(rawHeaders[i]).toLowerCase() === 'link') links.push(String(rawHeaders[i + 1]))
  }
  if (links.length > 0) raw.writeEarlyHints({ link: links })
}
