import { fastify } from 'fastify'
import { listen, urlOf } from './listeners.ts'

/** Whether traffic should come here, for a load balancer and for whoever operates it. */
export interface ReadinessReport {
  readonly ready: boolean
  /** What does not work at the moment without making the gateway useless. */
  readonly degraded: readonly string[]
}

export interface ReadinessOptions {
  /** Rejects when the database does not answer. */
  readonly ping: () => Promise<void>
  /** Whether the database may have gone to sleep, so that asking would wake it. */
  readonly mayBeAsleep: () => boolean
  /** Whether sessions that end elsewhere are not heard of, although they should be. */
  readonly eventsLost: () => boolean
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

const pingEveryMs = 1_000
const pingTimeoutMs = 2_000

/**
 * Not ready until the database has answered once and both listeners are up, and again from the first signal to stop on.
 * In between a database that is away is "degraded": public routes and known sessions go on.
 */
export class Readiness {
  readonly #options: ReadinessOptions
  #listening = false
  #draining = false
  #answeredOnce = false
  #answers = false
  #asked: Promise<void> | undefined
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(options: ReadinessOptions) {
    this.#options = options
  }

  get draining(): boolean {
    return this.#draining
  }

  get databaseAnsweredOnce(): boolean {
    return this.#answeredOnce
  }

  listenersAreUp(): void {
    this.#listening = true
  }

  databaseAnswered(): void {
    this.#answeredOnce = true
    this.#answers = true
    this.#askedAt = this.#options.now()
  }

  startDraining(): void {
    this.#draining = true
  }

  /**
   * Asks the database, at most once a second, and not while it may sleep and was well when it was last asked. Never
   * rejects; takes two seconds at most.
   */
  async report(): Promise<ReadinessReport> {
    await this.#ask()
    return {
      ready: this.#listening && this.#answeredOnce && !this.#draining,
      degraded: [...(this.#answers ? [] : ['database']), ...(this.#options.eventsLost() ? ['session-events'] : [])]
    }
  }

  #ask(): Promise<void> {
    if (this.#answers && this.#options.mayBeAsleep()) return Promise.resolve()
    const now = this.#options.now()
    if (this.#asked === undefined || now - this.#askedAt >= pingEveryMs) {
      this.#askedAt = now
      this.#asked = this.#ping()
    }
    return this.#asked
  }

  async #ping(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, pingTimeoutMs, false)
      timer.unref()
    })
    const answered = this.#options.ping().then(
      () => true,
      () => false
    )
    this.#answers = await Promise.race([answered, late])
    clearTimeout(timer)
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
  const admin = fastify({ logger: false, forceCloseConnections: true })
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
