import { randomUUID } from 'node:crypto'
import { IncomingMessage } from 'node:http'
import type { Outcome } from '../auth/live-connections.ts'

/** A request as the public listener makes it: it carries what its log line will say. */
export class NamedRequest extends IncomingMessage {
  /** Milliseconds on the process's own clock. */
  readonly arrivedAt = performance.now()
  /** `X-Request-Id`; empty until it is named. */
  id = ''
  /** The target as it came. Fastify's property: `url` becomes what the router sees. */
  originalUrl: string | undefined = undefined
  /** How the exchange ended; undefined while nobody has said so. */
  outcome: Outcome | undefined = undefined
  /** Whether its line is written. */
  logged = false
  /** The code of the refusal that answered it. */
  code: string | undefined = undefined
  /**
   * Hears that the connection is gone before the response was finished. Not of a request whose body was read to its end:
   * whoever answers such a one watches its response.
   */
  onAborted: ((request: NamedRequest) => void) | undefined = undefined

  /** Node destroys a request when its connection goes before the response is finished, and also once its body is read. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.socket.destroyed) this.onAborted?.(this)
    super._destroy(error, done)
  }
}

const believableId = /^[A-Za-z0-9._-]{1,128}$/

/** Fastify's `genReqId`: the id that a trusted peer gave to a request, or a new one. `onAborted` is the request's own. */
export function createNaming(
  isTrusted: (address: string | undefined) => boolean,
  onAborted: (request: NamedRequest) => void
): (request: IncomingMessage) => string {
  return function nameRequest(request) {
    const given = request.headers['x-request-id']
    const believed = typeof given === 'string' && believableId.test(given) && isTrusted(request.socket.remoteAddress)
    const id = believed ? given : randomUUID()
    if (request instanceof NamedRequest) {
      request.id = id
      request.onAborted = onAborted
    }
    return id
  }
}
