import type { Logger } from 'pino'
import { createAskAuth } from '../auth/ask.ts'
import { LiveConnections } from '../auth/live-connections.ts'
import { createTheme } from '../auth/pages/theme.ts'
import { createPasswordTurns } from '../auth/passwords.ts'
import { createRateLimits } from '../auth/rate-limit.ts'
import { followSessionEvents, type SessionEvents } from '../auth/session-events.ts'
import { openDatabase } from '../db/open-database.ts'
import { createSessionList } from '../db/session-queries.ts'
import { createAdmin } from './admin.ts'
import { announceReady, announceWarnings } from './announce.ts'
import { createApp } from './app.ts'
import { createBackground } from './background.ts'
import { databaseOptions, prepareDatabase } from './database-start.ts'
import { type DrainOptions, drain, trackConnections } from './drain.ts'
import { startHousekeeping } from './housekeeping.ts'
import { createPublicServer, listen, listenWhere, portOf, urlOf } from './listeners.ts'
import { Readiness } from './readiness.ts'
import { loadOrCreateSecret } from './secret.ts'
import { createSessions } from './sessions.ts'
import type { Settings } from './settings.ts'
import { poolSizeFor, type Team } from './team.ts'
import { openUpstreams } from './upstreams.ts'

export interface Gateway {
  /** The public origin. */
  readonly publicUrl: string
  readonly adminUrl: string
  /** That of the public listener. */
  readonly port: number
  /** Says "not ready" at once, then drains and closes everything. May be called again. */
  close(options: DrainOptions): Promise<void>
}

// What is left of a shutdown for mails; a container's grace period has to hold it too.
const mailsMs = 5_000

/**
 * Starts a gateway and resolves once both listeners are up. Rejects with a coded error when it cannot start; then
 * nothing is left open. `onFatal` hears of a reason to stop that shows only later. One of a `team` leaves the private
 * listener and what is said once to the primary.
 */
export async function startGateway(
  { config, policy, routes }: Settings,
  log: Logger,
  onFatal: (error: Error) => void,
  team?: Team
): Promise<Gateway> {
  if (team === undefined) announceWarnings({ config, policy }, log)
  const cleanUp: (() => Promise<unknown>)[] = []
  const undo = async () => {
    for (const step of cleanUp.splice(0).reverse()) await step()
  }

  try {
    const upstreams = openUpstreams({ config, policy })
    cleanUp.push(() => upstreams.close())
    const server = createPublicServer()
    const connections = trackConnections(server)
    cleanUp.push(async () => server.close())
    // Only a port that nobody chose has to be known first; requests cannot arrive before it is told.
    const chosen = config.publicUrl === undefined && config.port === 0
    const publicUrl =
      team?.served?.publicUrl ??
      config.publicUrl ??
      `http://localhost:${chosen ? await listen(server, config.host, 0) : config.port}`

    const secret = config.secret ?? (await loadOrCreateSecret(config.dataDir))
    const database = await openDatabase({
      ...(await databaseOptions({ config, policy })),
      poolSize: team === undefined ? undefined : poolSizeFor(team.size),
      onPoolError: (err) => log.warn({ err }, 'a database connection was lost'),
      onAway(away) {
        if (away) log.warn('the database does not answer: sessions that are not cached get 503 until it does')
        else log.info('the database answers again')
      }
    })
    cleanUp.push(() => database.close())
    const mayScaleToZero = config.session.events === 'off'
    const readiness = new Readiness({
      ping: () => database.ping(),
      mayBeAsleep: () => mayScaleToZero && !database.awake(),
      eventsLost: () => events?.lost === true,
      now: Date.now
    })
    const stopWaiting = await prepareDatabase(database, readiness, log, onFatal)
    cleanUp.push(async () => stopWaiting())

    const limits = createRateLimits({}, team?.counters)
    const passwordTurns = createPasswordTurns(team?.size)
    const background = createBackground()
    const { auth, sessions, sessionCookie, live } = await createSessions({
      config,
      policy,
      publicUrl,
      secret,
      database,
      limits,
      passwordTurns,
      background,
      log,
      hearing: () => events?.listening === true,
      tellOthers: team?.tell
    })
    team?.onTold((event) => sessions.heard(event))
    cleanUp.push(async () => live.stop())
    const events: SessionEvents | undefined =
      config.session.events === 'off' ? undefined : followSessionEvents({ database, sessions, log })
    cleanUp.push(async () => events?.stop())
    cleanUp.push(startHousekeeping({ database, log, onlyWhileAwake: mayScaleToZero }))
    const liveConnections = new LiveConnections(config.liveConnections)
    const bodyLimits = { maxBytes: config.maxBodyBytes, idleMs: config.clientTimeoutMs }

    const ask = createAskAuth({ auth, limits, passwordTurns, log, background: (task) => background.keep(task) })
    const app = await createApp({
      server,
      log,
      readiness,
      publicHealthPath: config.publicHealthPath,
      pages: config.pages
        ? {
            publicUrl,
            theme: createTheme(policy.brand, policy.auth.appName ?? new URL(publicUrl).hostname),
            auth,
            ask,
            sessions,
            sessionCookie,
            live,
            sessionList: createSessionList(database),
            publicSignUp: config.publicSignUp,
            limits,
            maxBodyBytes: config.maxAuthBodyBytes,
            openStreams: liveConnections
          }
        : undefined,
      allowedHosts: config.allowedHosts,
      trustedOrigins: config.trustedOrigins,
      trustedProxies: config.trustedProxies,
      auth: { ask, publicUrl, limits, maxBodyBytes: config.maxAuthBodyBytes, bodies: policy.bodies },
      proxy: {
        publicUrl,
        guard: { sessions, sessionCookie, origins: new Set([publicUrl, ...config.trustedOrigins]), now: Date.now },
        principalHeaders: policy.principalHeaders,
        headers: policy.headers,
        routes,
        upstreams,
        limits: bodyLimits,
        live: liveConnections,
        log
      }
    })
    cleanUp.push(() => app.close())
    const adminUrl = team === undefined ? await openAdmin() : team.adminUrl
    const port = server.listening ? undefined : await listenWhere(server, config, team?.served?.port)
    readiness.listenersAreUp()
    team?.reportWith(() => readiness.report())
    if (team === undefined) announceReady({ config, policy }, log, { publicUrl, adminUrl, port })

    async function openAdmin(): Promise<string> {
      const admin = createAdmin(readiness)
      cleanUp.push(() => admin.close())
      await admin.ready()
      return urlOf(config.adminHost, await listen(admin.server, config.adminHost, config.adminPort))
    }

    return {
      publicUrl,
      adminUrl,
      port: portOf(server),
      async close(options) {
        readiness.startDraining()
        await drain({ server, connections, live: liveConnections }, options)
        await background.settled(Math.min(options.timeoutMs, mailsMs))
        await undo()
      }
    }
  } catch (error) {
    await undo()
    throw error
  }
}
