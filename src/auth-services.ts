import { EventEmitter } from 'node:events'
import type { Logger } from 'pino'
import { adminColumns } from '../auth/admin-plugin.ts'
import { type Auth, createAuth } from '../auth/better-auth.ts'
import { withTokenNames } from '../auth/cookie-header.ts'
import { LiveSessions } from '../auth/live-sessions.ts'
import type { RateLimits } from '../auth/rate-limit.ts'
import type { SessionEvents } from '../auth/session-events.ts'
import { createSessionResolver, type SessionResolver } from '../auth/session-resolver.ts'
import { subjectOf } from '../auth/session-validation.ts'
import { createCookieSigner } from '../auth/signed-cookie.ts'
import type { Database } from '../db/database.ts'
import { createMonotonicClock } from '../db/monotonic-clock.ts'
import type { ConcurrencyLimit } from '../db/semaphore.ts'
import { createExpiryReader, createSessionReader, createUserReader } from '../db/session-queries.ts'
import { withTimeout } from '../db/timeout.ts'
import { ConfigError } from './config/config.ts'
import type { Settings } from './config/settings.ts'
import { createBetterAuthLogger } from './logging/better-auth-logger.ts'
import type { BackgroundTasks } from './server/background-tasks.ts'

export interface AuthServicesOptions {
  readonly config: Settings['config']
  readonly policy: Settings['policy']
  readonly publicUrl: string
  readonly secret: string
  readonly database: Database
  readonly limits: RateLimits
  readonly passwordHashLimit: ConcurrencyLimit
  readonly background: BackgroundTasks
  readonly log: Logger
  /** Undefined where events are off: then connections that stay open are found by reading their sessions. */
  readonly sessionEvents: Pick<SessionEvents, 'listening'> | undefined
  /** Tells the other workers of this gateway what changed, in the format of session events. */
  readonly publishSessionEvent?: ((event: string) => void) | undefined
}

export interface AuthServices {
  readonly auth: Auth
  readonly sessions: SessionResolver
  /** The session cookie's full name. */
  readonly sessionCookie: string
  readonly live: LiveSessions
}

// With the cache off sessions are still not read more often than this for connections that are merely open.
const fastestSweepMs = 1_000

/**
 * BetterAuth, which decides about sessions, and the resolver that caches its decisions. What BetterAuth changes is
 * evicted from the cache here and in the other workers. Throws a ConfigError when a plugin's tables are not declared.
 */
export async function createAuthServices(options: AuthServicesOptions): Promise<AuthServices> {
  const { config, policy, publicUrl, secret, database, log, publishSessionEvent } = options
  const changes = new EventEmitter<{ session: [token: string]; user: [userId: string] }>()
  const auth = createAuth({
    database,
    publicUrl,
    secret,
    trustedOrigins: config.trustedOrigins,
    publicSignUp: config.publicSignUp,
    extension: policy.auth,
    errorUrl: config.pages ? `${publicUrl}/auth/sign-in` : undefined,
    limits: options.limits,
    passwordHashLimit: options.passwordHashLimit,
    background: (task) => options.background.add(task),
    logger: createBetterAuthLogger(log),
    changes: {
      sessionChanged: (token) => changes.emit('session', token),
      userChanged: (userId) => changes.emit('user', userId)
    }
  })
  const context = await auth.$context
  await requireSchema(context)
  const { authCookies, sessionConfig } = context
  const sessionCookie = authCookies.sessionToken.name
  const admin = adminColumns(policy.auth)
  const live = new LiveSessions({
    readExpiries: createExpiryReader(database, admin),
    readUsers: createUserReader(database, admin),
    listening: () => options.sessionEvents?.listening === true,
    sweepMs: Math.max(config.session.cacheTtlMs, fastestSweepMs),
    now: Date.now
  })
  const sessions = createSessionResolver({
    cookieNames: { session: sessionCookie, dontRemember: authCookies.dontRememberToken.name },
    signer: createCookieSigner(secret),
    readSession: createSessionReader(database, admin),
    async refresh(cookieHeader) {
      const cookie = withTokenNames(cookieHeader)
      // A few statements, each of which may wait. One that is cut short costs a cookie that is as good for days to come.
      const refreshed = auth.api.getSession({ headers: new Headers({ cookie }), returnHeaders: true })
      const { headers } = await withTimeout(database.patienceMs, refreshed, 'the session was not refreshed in time')
      return headers.getSetCookie()
    },
    sliding: {
      expiresInMs: sessionConfig.expiresIn * 1_000,
      updateAgeMs:
        context.options.session?.disableSessionRefresh === true
          ? Number.POSITIVE_INFINITY
          : sessionConfig.updateAge * 1_000
    },
    live,
    cache: {
      ttlMs: config.session.cacheTtlMs,
      max: config.session.cacheMax,
      staleMs: config.session.staleIfErrorMs
    },
    now: Date.now,
    monotonicNow: createMonotonicClock()
  })
  changes.on('session', (token) => {
    sessions.sessionChanged(token)
    publishSessionEvent?.(`s${subjectOf(token)}`)
  })
  changes.on('user', (userId) => {
    sessions.userChanged(userId)
    publishSessionEvent?.(`u${subjectOf(userId)}`)
  })
  return { auth, sessions, sessionCookie, live }
}

// BetterAuth itself would check its tables only when a request comes, and fail that one and all that follow.
async function requireSchema({ checkSchema }: Awaited<Auth['$context']>): Promise<void> {
  try {
    await checkSchema?.()
  } catch (error) {
    if (!(error instanceof Error) || !('findings' in error) || !Array.isArray(error.findings)) throw error
    const missing = new Set(error.findings.map(({ table, column }) => [table, column].filter(Boolean).join('.')))
    throw new ConfigError(
      [...missing].map(
        (name) => `auth: a plugin needs ${name}, which it does not declare in its schema: remove the plugin`
      )
    )
  }
}
