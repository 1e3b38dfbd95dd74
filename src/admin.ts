import { type FastifyInstance, type FastifyServerOptions, fastify } from 'fastify'
import type { Readiness } from './readiness.ts'

/** For servers whose routes have no JSON schemas: the compilers for those, 5 MB of code, are not loaded then. */
export const withoutSchemas: NonNullable<FastifyServerOptions['schemaController']> = {
  compilersFactory: { buildValidator: refuseSchema, buildSerializer: refuseSchema }
}

function refuseSchema(): never {
  throw new Error('this server has no schema compiler')
}

/** The private listener: what operators and orchestrators ask, and nothing that a browser should reach. */
export function createAdmin(readiness: Pick<Readiness, 'report' | 'draining'>): FastifyInstance {
  const admin = fastify({ logger: false, forceCloseConnections: true, schemaController: withoutSchemas })
  admin.addHook('onSend', function forbidCaching(_request, reply, payload, done) {
    reply.header('Cache-Control', 'no-store')
    done(null, payload)
  })
  admin.get('/healthz', function answerHealth() {
    return { status: 'ok' }
  })
  admin.get('/readyz', async function answerReadiness(_request, reply) {
    const { ready, degraded } = await readiness.report()
    reply.code(ready ? 200 : 503)
    return { status: ready ? 'ready' : readiness.draining ? 'draining' : 'starting', degraded }
  })
  return admin
}
