import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Refusal } from '../auth/refusals.ts'
import { countPassed } from './garbage-collection.ts'

export interface BodyLimits {
  /** Bytes; one more is BODY_TOO_LARGE. */
  readonly maxBytes: number
  /** Milliseconds without a byte from the client; one more is REQUEST_TIMEOUT. */
  readonly idleMs: number
}

const awaitingContinue = new WeakSet<IncomingMessage>()
const discarded = new WeakSet<IncomingMessage>()
const bodies = new WeakMap<IncomingMessage, LimitedBody>()

/** Remembers that this client waits for `100 Continue` (RFC 9110, section 10.1.1) before it sends its body. */
export function expectsContinue(request: IncomingMessage): void {
  awaitingContinue.add(request)
}

/** Whether a request brings a body, by its framing (RFC 9112, section 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/**
 * A request's body as a stream that fails with BODY_TOO_LARGE or REQUEST_TIMEOUT when the client exceeds the limits. A
 * client that waits for `100 Continue` is told to go on, so only a request that may pass gets here. Throws BODY_TOO_LARGE
 * at once where the declared length is too long.
 */
export function limitedBody(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): LimitedBody {
  if (Number(request.headers['content-length'] ?? 0) > limits.maxBytes) throw new Refusal('BODY_TOO_LARGE')
  if (awaitingContinue.delete(request)) response.writeContinue()
  const body = new LimitedBody(request, limits)
  bodies.set(request, body)
  // After a refusal nothing listens to the body, and an error without a listener would end the process.
  body.on('error', () => {})
  request.on('error', (error) => body.destroy(error))
  request.on('aborted', () => body.destroy(new Error('the client went away')))
  // Where the response came before the end of the body, nothing reads the body any more: it would be kept for ever, as for
  // a slow reader.
  response.once('close', () => {
    body.destroy()
    discardBody(request, limits)
  })
  return body
}

/**
 * Reads and drops the rest of a body that nothing needs, within the same limits, so that a client that is still sending
 * gets to read the response; past the limits the connection is cut.
 */
export function discardBody(request: IncomingMessage, limits: BodyLimits): void {
  if (!hasBody(request) || request.complete || request.destroyed || discarded.has(request)) return
  discarded.add(request)
  bodies.get(request)?.detach()
  const cut = () => request.socket.destroy()
  const timer = setTimeout(cut, limits.idleMs)
  timer.unref()
  let left = limits.maxBytes
  request.on('data', (chunk: Buffer) => {
    timer.refresh()
    left -= chunk.length
    countPassed(chunk.length)
    if (left < 0) cut()
  })
  request.once('close', () => clearTimeout(timer))
  request.resume()
}

/** A request's body: passes bytes through, counts them, and watches the client's pace. */
export class LimitedBody extends Readable {
  readonly #request: IncomingMessage
  readonly #limits: BodyLimits
  readonly #timer: NodeJS.Timeout
  /** The client has to wait, because the reader is slow. */
  #full = false
  /** Bytes that have arrived. Fastify compares this with the declared length. */
  receivedEncodedLength = 0

  constructor(request: IncomingMessage, limits: BodyLimits) {
    super()
    this.#request = request
    this.#limits = limits
    this.#timer = setTimeout(() => this.#onIdle(), limits.idleMs)
    this.#timer.unref()
    request.on('data', this.#onData)
    request.on('end', this.#onEnd)
  }

  /** Stops reading the request, so that `discardBody` can read the rest. */
  detach(): void {
    this.#request.off('data', this.#onData)
    this.#request.off('end', this.#onEnd)
    this.#request.pause()
  }

  #onIdle(): void {
    // A client that has to wait for a slow reader is not idle.
    if (this.#full || this.readableLength > 0) this.#timer.refresh()
    else this.destroy(new Refusal('REQUEST_TIMEOUT'))
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#timer.refresh()
    this.receivedEncodedLength += chunk.length
    if (this.receivedEncodedLength > this.#limits.maxBytes) {
      this.destroy(new Refusal('BODY_TOO_LARGE'))
      return
    }
    countPassed(chunk.length)
    if (this.push(chunk)) return
    this.#full = true
    this.#request.pause()
  }

  readonly #onEnd = (): void => {
    clearTimeout(this.#timer)
    this.push(null)
  }

  override _read(): void {
    if (!this.#full) return
    this.#full = false
    this.#request.resume()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer)
    if (!discarded.has(this.#request)) this.detach()
    done(error)
  }
}

/**
 * A hook for routes that parse no body: without it Fastify would answer 415 to a media type that it cannot parse. The
 * upstream still gets the header, because it is copied from `rawHeaders`.
 */
export function ignoreContentType(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const { headers } = request.raw
  if (headers['content-type'] !== undefined) headers['content-type'] = undefined
  done()
}
