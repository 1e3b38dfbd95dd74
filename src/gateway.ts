import type { Logger } from 'pino'
import { createAuth } from '../auth/better-auth.ts'
import { createRateLimits, type RateLimits } from '../auth/rate-limit.ts'
import { createCookieSigner } from '../auth/session-cookie.ts'
import { createSessionResolver, type SessionResolver } from '../auth/session-resolver.ts'
import { type Database, openDatabase } from '../db/database.ts'
import { createSessionReader } from '../db/sessions.ts'
import { createUpstreamPool, upstreamAddress } from '../proxy/upstream.ts'
import { probeUpstream } from '../proxy/upstream-probe.ts'
import type { LiveSocket } from '../proxy/websocket.ts'
import { createAdmin } from './admin.ts'
import { createApp } from './app.ts'
import { type Background, createBackground } from './background.ts'
import { prepareDatabase } from './database-start.ts'
import { type DrainOptions, drain } from './drain.ts'
import { createPublicServer, listen, urlOf } from './listeners.ts'
import { Readiness } from './readiness.ts'
import { loadOrCreateSecret } from './secret.ts'
import type { Settings } from './settings.ts'

export interface Gateway {
  /** The public origin. */
  readonly publicUrl: string
  readonly adminUrl: string
  /** Says "not ready" at once, then drains and closes everything. May be called again. */
  close(options: DrainOptions): Promise<void>
}

/**
 * Starts a gateway and resolves once both listeners are up. Rejects with a coded error when it cannot start; then
 * nothing is left open. `onFatal` hears of a reason to stop that shows only later.
 */
export async function startGateway(
  { config, policy, routes }: Settings,
  log: Logger,
  onFatal: (error: Error) => void
): Promise<Gateway> {
  for (const warning of config.warnings) log.warn(warning)
  const cleanUp: (() => Promise<unknown>)[] = []
  const undo = async () => {
    for (const step of cleanUp.splice(0).reverse()) await step()
  }

  try {
    const address = upstreamAddress(config.upstream)
    const server = createPublicServer()
    cleanUp.push(async () => server.close())
    // Only a port that nobody chose has to be known first; requests cannot arrive before it is told.
    const chosen = config.publicUrl === undefined && config.port === 0
    const publicUrl =
      config.publicUrl ?? `http://localhost:${chosen ? await listen(server, config.host, 0) : config.port}`

    const secret = config.secret ?? (await loadOrCreateSecret(config.dataDir))
    const database = await openDatabase({
      ...config.database,
      dataDir: config.dataDir,
      onPoolError: (err) => log.warn({ err }, 'a database connection was lost')
    })
    cleanUp.push(() => database.close())
    const readiness = new Readiness({ ping: () => database.ping(), now: Date.now })
    const stopWaiting = await prepareDatabase(database, readiness, log, onFatal)
    cleanUp.push(async () => stopWaiting())

    const limits = createRateLimits()
    const background = createBackground()
    const { auth, sessions, sessionCookie } = await createSessions({
      config,
      policy,
      publicUrl,
      secret,
      database,
      limits,
      background,
      log
    })
    const dispatcher = createUpstreamPool(address, { timeoutMs: config.upstreamTimeoutMs })
    cleanUp.push(() => dispatcher.destroy())
    const liveSockets = new Set<LiveSocket>()
    const bodyLimits = { maxBytes: config.maxBodyBytes, idleMs: config.clientTimeoutMs }

    const app = await createApp({
      server,
      log,
      readiness,
      publicHealthPath: config.publicHealthPath,
      pages: config.pages,
      allowedHosts: config.allowedHosts,
      trustedOrigins: config.trustedOrigins,
      trustedProxies: config.trustedProxies,
      auth: { auth, publicUrl, limits },
      proxy: {
        publicUrl,
        guard: { sessions, sessionCookie, origins: new Set([publicUrl, ...config.trustedOrigins]) },
        routes,
        upstream: { address, dispatcher, timeoutMs: config.upstreamTimeoutMs, token: config.upstream.token },
        limits: bodyLimits,
        liveSockets
      }
    })
    cleanUp.push(() => app.close())
    const admin = createAdmin(readiness)
    cleanUp.push(() => admin.close())

    await admin.ready()
    const adminPort = await listen(admin.server, config.adminHost, config.adminPort)
    const port = server.listening ? undefined : await listen(server, config.host, config.port)
    readiness.listenersAreUp()
    probeUpstream(address).catch((err: unknown) => {
      log.warn({ err }, 'nothing answers where UPSTREAM_URL says: requests get 502 until it does')
    })
    const adminUrl = urlOf(config.adminHost, adminPort)
    log.info({ publicUrl, adminUrl, ...(port === undefined ? {} : { port }) }, 'gatehouse ready')

    return {
      publicUrl,
      adminUrl,
      async close(options) {
        readiness.startDraining()
        await drain(server, liveSockets, options)
        await background.settled(options.timeoutMs)
        await undo()
      }
    }
  } catch (error) {
    await undo()
    throw error
  }
}

interface SessionParts {
  readonly config: Settings['config']
  readonly policy: Settings['policy']
  readonly publicUrl: string
  readonly secret: string
  readonly database: Database
  readonly limits: RateLimits
  readonly background: Background
  readonly log: Logger
}

/** BetterAuth, which owns the truth, and the resolver in front of it, which owns the speed; each tells the other. */
async function createSessions(parts: SessionParts) {
  const { config, secret, database, log } = parts
  let sessions: SessionResolver | undefined
  const auth = createAuth({
    database,
    publicUrl: parts.publicUrl,
    secret,
    trustedOrigins: config.trustedOrigins,
    publicSignUp: config.publicSignUp,
    extension: parts.policy.auth,
    limits: parts.limits,
    background: (task) => parts.background.keep(task),
    log,
    changes: {
      sessionChanged: (token) => sessions?.sessionChanged(token),
      userChanged: (userId) => sessions?.userChanged(userId)
    }
  })
  const { authCookies, sessionConfig, options } = await auth.$context
  const sessionCookie = authCookies.sessionToken.name
  sessions = createSessionResolver({
    cookieNames: { session: sessionCookie, dontRemember: authCookies.dontRememberToken.name },
    signer: createCookieSigner(secret),
    readSession: createSessionReader(database),
    async refresh(cookie) {
      const { headers } = await auth.api.getSession({ headers: new Headers({ cookie }), returnHeaders: true })
      return headers.getSetCookie()
    },
    sliding: {
      expiresInMs: sessionConfig.expiresIn * 1_000,
      updateAgeMs:
        options.session?.disableSessionRefresh === true ? Number.POSITIVE_INFINITY : sessionConfig.updateAge * 1_000
    },
    cache: {
      ttlMs: config.session.cacheTtlMs,
      max: config.session.cacheMax,
      staleMs: config.session.staleIfErrorMs
    },
    now: Date.now
  })
  return { auth, sessions, sessionCookie }
}
