import { type FastifyServerOptions, fastify } from 'fastify'
import { withTimeout } from '../../db/timeout.ts'
import { listen, urlOf } from './listeners.ts'

/** Whether traffic should be sent here, for load balancers and operators. */
export interface ReadinessReport {
  readonly ready: boolean
  /** What does not work at the moment without making the gateway useless. */
  readonly degraded: readonly string[]
}

export interface ReadinessOptions {
  /** Rejects when the database does not answer. */
  readonly ping: () => Promise<void>
  /** Whether the database may have scaled to zero, so that a ping would wake it. */
  readonly mayBeAsleep: () => boolean
  /** Whether session events should be received and are not. */
  readonly eventsLost: () => boolean
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

const pingEveryMs = 1_000
const pingTimeoutMs = 2_000

/**
 * Ready once the database has answered and both listeners are up, until the gateway drains. A database that is away in
 * between makes the gateway "degraded": public routes and cached sessions go on.
 */
export class Readiness {
  /** Whether both listeners are up. */
  listening = false
  draining = false
  readonly #options: ReadinessOptions
  #answeredOnce = false
  #answers = false
  #pinging: Promise<void> | undefined
  #pingedAt = Number.NEGATIVE_INFINITY

  constructor(options: ReadinessOptions) {
    this.#options = options
  }

  databaseAnswered(): void {
    this.#answeredOnce = true
    this.#answers = true
    this.#pingedAt = this.#options.now()
  }

  /**
   * Pings the database at most once a second, and not at all while it may be asleep and answered the last ping. Never
   * rejects; takes two seconds, or a little more in a process that is busy.
   */
  async report(): Promise<ReadinessReport> {
    await this.#pingIfDue()
    return {
      ready: this.listening && this.#answeredOnce && !this.draining,
      degraded: [...(this.#answers ? [] : ['database']), ...(this.#options.eventsLost() ? ['session-events'] : [])]
    }
  }

  #pingIfDue(): Promise<void> {
    if (this.#answers && this.#options.mayBeAsleep()) return Promise.resolve()
    const now = this.#options.now()
    if (this.#pinging === undefined || now - this.#pingedAt >= pingEveryMs) {
      this.#pingedAt = now
      this.#pinging = this.#ping()
    }
    return this.#pinging
  }

  async #ping(): Promise<void> {
    const { ping } = this.#options
    this.#answers = await withTimeout(pingTimeoutMs, ping(), 'the database does not answer').then(
      () => true,
      () => false
    )
    if (this.#answers) this.#answeredOnce = true
  }
}

/**
 * Starts the private listener: what operators and orchestrators ask, and nothing that a browser should reach. Rejects
 * with the system's error when it cannot be bound.
 */
export async function startAdminServer(
  readiness: Pick<Readiness, 'report' | 'draining'>,
  { adminHost, adminPort }: { readonly adminHost: string; readonly adminPort: number }
): Promise<{ readonly url: string; close(): Promise<void> }> {
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
  await admin.ready()
  const port = await listen(admin.server, adminHost, adminPort)
  return { url: urlOf(adminHost, port), close: () => admin.close() }
}

/** For servers whose routes have no JSON schemas: the compilers for schemas, 5 MB of code, are not loaded then. */
export const withoutSchemas: NonNullable<FastifyServerOptions['schemaController']> = {
  compilersFactory: { buildValidator: refuseSchema, buildSerializer: refuseSchema }
}

function refuseSchema(): never {
  throw new Error('this server has no schema compiler')
}
