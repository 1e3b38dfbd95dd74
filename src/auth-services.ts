import type { Logger } from 'pino'
import { type Auth, createAuth } from '../auth/better-auth.ts'
import { createAuthCaller } from '../auth/call-better-auth.ts'
import { withTokenNames } from '../auth/cookie-header.ts'
import { LiveSessions } from '../auth/live-sessions.ts'
import { pageAddresses } from '../auth/pages/return-address.ts'
import { createPasswordHashLimit } from '../auth/password-hash-limit.ts'
import { createRateLimits } from '../auth/rate-limit.ts'
import { adminColumns } from '../auth/roles-and-bans.ts'
import type { SessionEvents } from '../auth/session-event-listener.ts'
import { agesOf, noteUse, noteUseAfter } from '../auth/session-lifetimes.ts'
import { createSessionResolver, type SessionResolver } from '../auth/session-resolver.ts'
import { subjectOf } from '../auth/session-verdict.ts'
import { createCookieSigner } from '../auth/signed-cookie.ts'
import type { Database } from '../db/database.ts'
import { createMonotonicClock } from '../db/monotonic-clock.ts'
import { createExpiryReader, createSessionReader, createUserReader } from '../db/session-queries.ts'
import { withTimeout } from '../db/timeout.ts'
import { ConfigError } from './config/environment.ts'
import type { Settings } from './config/load-settings.ts'
import { createBetterAuthLogger } from './logging/better-auth-logger.ts'
import { ownPathsOf } from './policy-file.ts'
import type { WorkerContext } from './workers/worker-channel.ts'

export interface AuthServicesOptions extends Pick<Settings, 'config' | 'policy'> {
  readonly publicUrl: string
  readonly secret: string
  readonly database: Database
  readonly log: Logger
  /** Undefined where events are off: then the sessions of connections that stay open are read again and again. */
  readonly sessionEvents: Pick<SessionEvents, 'listening'> | undefined
  /** Given to one of several workers: attempts are counted for all of them, and the others are told what changed. */
  readonly worker?: Pick<WorkerContext, 'workers' | 'counters' | 'publishSessionEvent'> | undefined
}

// The sessions of connections that stay open are read no more often than this, even with the cache off.
const fastestSweepMs = 1_000

/**
 * BetterAuth, which decides about sessions, under the gateway's limits, and the resolver that caches its decisions. What
 * BetterAuth changes is evicted from the cache here and in the other workers. Throws a ConfigError when a plugin's tables
 * are not declared.
 */
export async function createAuthServices(options: AuthServicesOptions) {
  const { config, policy, publicUrl, secret, database, log, worker } = options
  const ownPaths = ownPathsOf(policy)
  const limits = createRateLimits({}, worker?.counters, { byPath: policy.rateLimits, basePath: ownPaths.betterAuth })
  const passwordHashLimit = createPasswordHashLimit(worker?.workers)
  // Work that goes on after its response, mails above all. A gateway waits for it when it closes.
  const unfinished = new Set<Promise<void>>()
  const background = (task: Promise<void>) => {
    unfinished.add(task)
    const done = () => unfinished.delete(task)
    task.then(done, done)
  }
  // Undefined while BetterAuth starts, when a plugin may change sessions already.
  let resolver: SessionResolver | undefined
  const auth = createAuth({
    database,
    publicUrl,
    secret,
    trustedOrigins: config.trustedOrigins,
    publicSignUp: config.publicSignUp,
    extension: policy.auth,
    lifetimes: policy.session,
    errorUrl: config.pages ? publicUrl + pageAddresses(ownPaths.pages).signIn : undefined,
    limits,
    passwordHashLimit,
    background,
    logger: createBetterAuthLogger(log),
    changes: {
      sessionChanged(token) {
        resolver?.sessionChanged(token)
        worker?.publishSessionEvent(`s${subjectOf(token)}`)
      },
      userChanged(userId) {
        resolver?.userChanged(userId)
        worker?.publishSessionEvent(`u${subjectOf(userId)}`)
      }
    }
  })
  const context = await auth.$context
  await requireSchema(context)
  const { authCookies, sessionConfig } = context
  const sessionCookie = authCookies.sessionToken.name
  const admin = adminColumns(policy.auth)
  const ages = agesOf(policy.session)
  const live = new LiveSessions({
    readExpiries: createExpiryReader(database, admin, ages),
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
    ages,
    use: {
      afterMs: noteUseAfter(ages),
      note: (token) => withTimeout(database.patienceMs, noteUse(context, token), 'the use was not noted in time')
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
  resolver = sessions
  const callAuth = createAuthCaller({ auth, basePath: ownPaths.betterAuth, limits, passwordHashLimit, log, background })
  return { auth, callAuth, limits, sessions, sessionCookie, live, unfinished }
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
