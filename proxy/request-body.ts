import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Refusal } from '../auth/refusals.ts'

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
 * A request's body as a stream that ends with BODY_TOO_LARGE or REQUEST_TIMEOUT when the client goes past its
 * limits. Asking for it tells a client that waits for `100 Continue` to go on, so only a request that may pass gets here.
 * Throws BODY_TOO_LARGE at once where the declared length is too long.
 */
export function limitedBody(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): LimitedBody {
  if (Number(request.headers['content-length'] ?? 0) > limits.maxBytes) throw new Refusal('BODY_TOO_LARGE')
  if (awaitingContinue.delete(request)) response.writeContinue()
  const body = new LimitedBody(request, limits)
  bodies.set(request, body)
  // Whoever refuses a request never listens to its body, and an error that nobody hears would end the process.
  body.on('error', () => {})
  request.on('error', (error) => body.destroy(error))
  request.on('aborted', () => body.destroy(new Error('the client went away')))
  // Answered without being read to its end: kept, it would stay for ever, as if its reader were slow.
  response.once('close', () => {
    body.destroy()
    discardBody(request, limits)
  })
  return body
}

/**
 * Reads what is left of a body that nobody wants, within the same limits, so that a client that is still sending gets
 * to read its answer; past them the connection is cut.
 */
export function discardBody(request: IncomingMessage, limits: BodyLimits): void {
  if (!hasBody(request) || request.complete || request.destroyed || discarded.has(request)) return
  discarded.add(request)
  bodies.get(request)?.letGo()
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

/** Passes bytes through, counts them, and watches the client's pace. */
export class LimitedBody extends Readable {
  readonly #request: IncomingMessage
  readonly #limits: BodyLimits
  readonly #timer: NodeJS.Timeout
  /** The client has to wait for whoever reads. */
  #full = false
  /** Bytes that have arrived. Fastify compares it with the declared length. */
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

  /** Leaves what is still to come to somebody else. */
  letGo(): void {
    this.#request.off('data', this.#onData)
    this.#request.off('end', this.#onEnd)
    this.#request.pause()
  }

  #onIdle(): void {
    // A client that may not send, because whoever reads is slow, is not idle.
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
    if (!discarded.has(this.#request)) this.letGo()
    done(error)
  }
}

// Node reads every piece of a body into memory outside V8's heap, and V8 looks for what is garbage there only once 64 MB
// of it have come together, and then through its whole heap (docs/performance.md, "Large bodies").
const collectEvery = 25_165_824

let passed = 0
let collect: (() => void) | undefined

/**
 * Counts the bytes of a piece of a body that has passed, and has V8 collect what is young after every 24 MiB of them: so
 * much garbage at most waits for it, and what is old is not looked at.
 */
export function countPassed(bytes: number): void {
  passed += bytes
  if (passed < collectEvery) return
  passed = 0
  collect ??= minorCollection()
  collect()
}

// Node documents `--expose-gc` and `v8.setFlagsFromString`; set so late, it shows in contexts that are made afterwards.
function minorCollection(): () => void {
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  return typeof gc === 'function' ? () => gc({ type: 'minor' }) : () => {}
}

/**
 * A hook for routes that parse nothing: Fastify answers 415 to a media type that it cannot parse. The upstream gets the
 * header as it came, out of `rawHeaders`.
 */
export function ignoreContentType(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const { headers } = request.raw
  if (headers['content-type'] !== undefined) headers['content-type'] = undefined
  done()
}
