import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Auth } from '../auth/better-auth.ts'
import { LiveConnections } from '../auth/live-connection-limits.ts'
import type { DevelopmentPages } from '../auth/pages/development-pages.ts'
import { pageAddresses } from '../auth/pages/page-addresses.ts'
import { createTheme } from '../auth/pages/theme.ts'
import { createSessionEvents } from '../auth/session-event-listener.ts'
import { agesOf } from '../auth/session-lifetimes.ts'
import { openDatabase } from '../db/open-database.ts'
import { createSessionList } from '../db/session-queries.ts'
import { createWellKnownDocuments } from '../proxy/well-known-documents.ts'
import { type AppOptions, createApp } from './app.ts'
import { createAuthServices } from './auth-services.ts'
import { loadOrCreateSecret } from './config/generated-secret.ts'
import { type Settings, warningsOf } from './config/load-settings.ts'
import { databaseOptions, poolSizeFor, prepareDatabase } from './database-start.ts'
import { startHousekeeping } from './housekeeping.ts'
import { logSilentServers, openUpstreams } from './open-upstreams.ts'
import { ownPathsOf } from './policy-file.ts'
import { Readiness, startAdminServer } from './server/admin-server.ts'
import { type DrainOptions, drain } from './server/drain.ts'
import { createPublicServer, listen, listenAgain, portOf, trackConnections } from './server/listeners.ts'
import type { PublicAddress, WorkerContext } from './workers/worker-channel.ts'

export interface Gateway extends PublicAddress {
  readonly adminUrl: string
  readonly readiness: Pick<Readiness, 'report'>
  /** Says "not ready" at once, then drains and closes everything. May be called again. */
  close(options: DrainOptions): Promise<void>
}

/** What `gatehouse dev` adds to a gateway in its own process, and nothing else can: it comes from no setting. */
export interface Development {
  readonly pages: DevelopmentPages
  readonly onExchange: NonNullable<AppOptions['onExchange']>
  /** Told of BetterAuth before there are requests. */
  readonly onAuth: (auth: Pick<Auth, '$context'>) => void
}

// What is left of a shutdown for mails; a container's grace period has to hold it too.
const mailsMs = 5_000

/**
 * Starts a gateway and resolves once both listeners are up. Rejects with a coded error when it cannot start; then
 * nothing is left open. `onFatal` is called with a reason to stop that shows only later. A gateway that is one of several
 * workers is given `worker`, and leaves the private listener to the primary; that of `gatehouse dev`, `development`.
 */
export async function startGateway(
  settings: Settings,
  log: Logger,
  onFatal: (error: Error) => void,
  worker?: WorkerContext,
  development?: Development
): Promise<Gateway> {
  const { config, policy, routes } = settings
  const cleanUp: (() => unknown)[] = []
  async function closeAll(): Promise<void> {
    for (const step of cleanUp.splice(0).reverse()) await step()
  }

  try {
    if (worker === undefined) for (const warning of warningsOf(settings)) log.warn(warning)
    const upstreams = openUpstreams({ config, policy })
    cleanUp.push(() => upstreams.close())
    const server = createPublicServer()
    const connections = trackConnections(server)
    cleanUp.push(() => void server.close())
    // The public origin has to be known before there is an app: a port that the system chooses is bound at once, without
    // anything that answers requests.
    const systemChoosesPort = config.publicUrl === undefined && config.port === 0
    const publicUrl =
      worker?.serving?.publicUrl ??
      config.publicUrl ??
      `http://localhost:${systemChoosesPort ? await listen(server, config.host, 0) : config.port}`

    const secret = config.secret ?? (await loadOrCreateSecret(config.dataDir))
    const database = await openDatabase({
      ...(await databaseOptions({ config, policy })),
      poolSize: worker === undefined ? undefined : poolSizeFor(worker.workers),
      onPoolError: (err) => log.warn({ err }, 'a database connection was lost'),
      onAway(away) {
        if (away) log.warn('the database does not answer: sessions that are not cached get 503 until it does')
        else log.info('the database answers again')
      }
    })
    cleanUp.push(() => database.close())
    const mayScaleToZero = config.session.events === 'off'
    const sessionEvents = mayScaleToZero ? undefined : createSessionEvents({ database, log })
    const readiness = new Readiness({
      ping: () => database.ping(),
      mayBeAsleep: () => mayScaleToZero && !database.awake(),
      eventsLost: () => sessionEvents?.lost === true,
      now: Date.now
    })
    cleanUp.push(await prepareDatabase(database, readiness, log, onFatal))

    const services = await createAuthServices({
      config,
      policy,
      deliver: settings.deliver,
      publicUrl,
      secret,
      database,
      log,
      sessionEvents,
      worker
    })
    const { callAuth, limits, sessions, sessionCookie, unfinished } = services
    cleanUp.push(() => services.live.stop())
    worker?.onSessionEvent((event) => sessions.handleEvent(event))
    sessionEvents?.start(sessions)
    cleanUp.push(() => sessionEvents?.stop())
    cleanUp.push(startHousekeeping({ database, log, onlyWhileAwake: mayScaleToZero, ages: agesOf(policy.session) }))

    const ownPaths = ownPathsOf(policy)
    const addresses = pageAddresses(ownPaths.pages)
    const basePath = ownPaths.betterAuth
    const liveConnections = new LiveConnections(config.liveConnections)
    const app = await createApp({
      server,
      log,
      readiness,
      config,
      auth: {
        callAuth,
        publicUrl,
        basePath,
        limits,
        asksStrangers: config.pages ? { sessionCookie, linksPath: addresses.links } : undefined,
        maxBodyBytes: config.maxAuthBodyBytes,
        bodies: policy.bodies,
        onLost: services.refreshLost
      },
      pages: config.pages
        ? {
            ...services,
            publicUrl,
            addresses,
            basePath,
            theme: createTheme(policy.brand, policy.auth.appName ?? new URL(publicUrl).hostname, addresses.assets),
            sessionList: createSessionList(database, agesOf(policy.session)),
            publicSignUp: config.publicSignUp,
            maxBodyBytes: config.maxAuthBodyBytes,
            openStreams: liveConnections,
            development: development?.pages
          }
        : undefined,
      sessionCookie,
      proxy: {
        publicUrl,
        guard: { sessions, origins: new Set([publicUrl, ...config.trustedOrigins]), now: Date.now },
        principalHeaders: policy.principalHeaders,
        headers: policy.headers,
        routes,
        upstreams,
        documents: createWellKnownDocuments({
          ...services,
          publicUrl,
          plugins: policy.auth.plugins ?? [],
          basePath
        }),
        limits: { maxBytes: config.maxBodyBytes, idleMs: config.clientTimeoutMs },
        live: liveConnections,
        log
      },
      onExchange: development?.onExchange
    })
    cleanUp.push(() => app.close())
    development?.onAuth(services.auth)

    let adminUrl = worker?.adminUrl
    if (adminUrl === undefined) {
      const admin = await startAdminServer(readiness, config)
      cleanUp.push(() => admin.close())
      adminUrl = admin.url
    }
    if (worker?.serving !== undefined) await listenAgain(server, config, worker.serving.port)
    else if (!server.listening) await listen(server, config.host, config.port)
    readiness.listening = true
    if (worker === undefined) logSilentServers({ config, policy }, log)
    return {
      publicUrl,
      adminUrl,
      port: portOf(server),
      readiness,
      async close(options) {
        readiness.draining = true
        await drain({ server, connections, live: liveConnections }, options)
        const limitMs = Math.min(options.timeoutMs, mailsMs)
        await Promise.race([Promise.allSettled(unfinished), wait(limitMs, undefined, { ref: false })])
        await closeAll()
      }
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}
