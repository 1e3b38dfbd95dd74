import { randomUUID } from 'node:crypto'
import { IncomingMessage } from 'node:http'

/** A request as the public listener makes it: it carries what its log line will say. */
export class NamedRequest extends IncomingMessage {
  /** Milliseconds on the process's own clock. */
  readonly arrivedAt = performance.now()
  /** `X-Request-Id`; empty until it is named. */
  id = ''
  /** The target as it came. Fastify's property: `url` becomes what the router sees. */
  originalUrl: string | undefined = undefined
}

const believableId = /^[A-Za-z0-9._-]{1,128}$/

/** Fastify's `genReqId`: the id that a trusted peer gave to a request, or a new one. */
export function createNaming(
  isTrusted: (address: string | undefined) => boolean
): (request: IncomingMessage) => string {
  return function nameRequest(request) {
    const given = request.headers['x-request-id']
    const believed = typeof given === 'string' && believableId.test(given) && isTrusted(request.socket.remoteAddress)
    const id = believed ? given : randomUUID()
    if (request instanceof NamedRequest) request.id = id
    return id
  }
}
