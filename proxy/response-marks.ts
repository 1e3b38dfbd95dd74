import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Cors } from './cors.ts'
import type { ResponseMarks } from './response-headers.ts'

/** What the gateway has to say on the answer to a request that the guard let through, whoever answers it. */
export function marksOf(request: FastifyRequest, reply: FastifyReply, cors: Cors): ResponseMarks {
  const personal = request.identity !== null
  return {
    requestId: request.id,
    personal,
    variesByCookie: personal || request.routeOptions.config.rule?.access === 'optional',
    setCookies: ownCookies(reply),
    cors: cors.headers(request.raw),
    variesByOrigin: cors.active
  }
}

function ownCookies(reply: FastifyReply): readonly string[] {
  const value = reply.getHeader('set-cookie')
  return value === undefined ? [] : Array.isArray(value) ? value : [String(value)]
}
