import type { IncomingMessage, ServerResponse } from 'node:http'
import { Transform, type TransformCallback } from 'node:stream'
import { BodyTooLargeError, RequestTimeoutError } from './errors.ts'

export interface BodyLimits {
  /** Bytes; one more is BODY_TOO_LARGE. */
  readonly maxBytes: number
  /** Milliseconds without a byte from the client; one more is REQUEST_TIMEOUT. */
  readonly idleMs: number
}

const awaitingContinue = new WeakSet<IncomingMessage>()
const discarded = new WeakSet<IncomingMessage>()

/** Remembers that this client waits for `100 Continue` (RFC 9110, section 10.1.1) before it sends its body. */
export function expectsContinue(request: IncomingMessage): void {
  awaitingContinue.add(request)
}

/** Whether a request brings a body, by its framing (RFC 9112, section 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/**
 * A request's body as a stream that ends with BodyTooLargeError or RequestTimeoutError when the client goes past its
 * limits. Asking for it tells a client that waits for `100 Continue` to go on, so only a request that may pass gets here.
 * Throws BodyTooLargeError at once where the declared length is too long.
 */
export function limitedBody(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): LimitedBody {
  if (Number(request.headers['content-length'] ?? 0) > limits.maxBytes) throw new BodyTooLargeError()
  if (awaitingContinue.delete(request)) response.writeContinue()
  const body = new LimitedBody(limits)
  // Whoever refuses a request never listens to its body, and an error that nobody hears would end the process.
  body.on('error', () => {})
  request.on('error', (error) => body.destroy(error))
  request.on('aborted', () => body.destroy(new Error('the client went away')))
  // Answered without being read to its end: kept, it would stay for ever, as if its reader were slow.
  response.once('close', () => {
    body.destroy()
    discardBody(request, limits)
  })
  request.pipe(body)
  return body
}

/**
 * Reads what is left of a body that nobody wants, within the same limits, so that a client that is still sending gets
 * to read its answer; past them the connection is cut.
 */
export function discardBody(request: IncomingMessage, limits: BodyLimits): void {
  if (!hasBody(request) || request.complete || request.destroyed || discarded.has(request)) return
  discarded.add(request)
  request.unpipe()
  const cut = () => request.socket.destroy()
  const timer = setTimeout(cut, limits.idleMs)
  timer.unref()
  let left = limits.maxBytes
  request.on('data', (chunk: Buffer) => {
    timer.refresh()
    left -= chunk.length
    if (left < 0) cut()
  })
  request.once('close', () => clearTimeout(timer))
  request.resume()
}

/** Passes bytes through, counts them, and watches the client's pace. */
export class LimitedBody extends Transform {
  readonly #limits: BodyLimits
  readonly #timer: NodeJS.Timeout
  /** Bytes that have arrived. Fastify compares it with the declared length. */
  receivedEncodedLength = 0

  constructor(limits: BodyLimits) {
    super()
    this.#limits = limits
    this.#timer = setTimeout(() => this.#onIdle(), limits.idleMs)
    this.#timer.unref()
  }

  #onIdle(): void {
    // A client that may not send, because whoever reads is slow, is not idle.
    if (this.writableNeedDrain || this.readableLength > 0) this.#timer.refresh()
    else this.destroy(new RequestTimeoutError())
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#timer.refresh()
    this.receivedEncodedLength += chunk.length
    if (this.receivedEncodedLength > this.#limits.maxBytes) done(new BodyTooLargeError())
    else done(null, chunk)
  }

  override _flush(done: TransformCallback): void {
    clearTimeout(this.#timer)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer)
    done(error)
  }
}
