// What is done without a gateway: @fastify/http-proxy behind a hook that asks BetterAuth about every request.
import httpProxy from '@fastify/http-proxy'
import { fromNodeHeaders } from 'better-auth/node'
import { fastify } from 'fastify'
import { announce, told } from './announce.ts'
import { createPlainAuth } from './better-auth.ts'

const { upstream = '', databaseUrl = '', secret = '', cookieCache = 'no' } = told()
const auth = createPlainAuth({ databaseUrl, secret, cookieCache })
const app = fastify()

// The way to the cookie that BetterAuth caches a session in.
app.get('/session-cookies', async (request, reply) => {
  const answer = await auth.api.getSession({ headers: fromNodeHeaders(request.headers), asResponse: true })
  return reply.headers({ 'set-cookie': answer.headers.getSetCookie() }).send()
})
await app.register(httpProxy, {
  upstream,
  async preHandler(request, reply) {
    const found = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) })
    if (found === null) return reply.code(401).send()
    request.headers['x-user-id'] = found.user.id
    request.headers['x-user-email'] = found.user.email
  }
})
await app.ready()
announce(app.server)
