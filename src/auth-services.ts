import type { Logger } from 'pino'
import { readPrincipalHeaders } from '../auth/additional-fields.ts'
import { adminColumns } from '../auth/admin-plugin-columns.ts'
import { type Auth, createAuth } from '../auth/better-auth.ts'
import { cookiePrefix } from '../auth/better-auth-cookie-names.ts'
import { createBetterAuthCookies } from '../auth/better-auth-cookie-rewriting.ts'
import { createAuthCaller } from '../auth/call-better-auth.ts'
import { readCookie } from '../auth/cookie-header.ts'
import { LiveSessions } from '../auth/end-live-connections.ts'
import { type Deliver, withSenders } from '../auth/mail/mail-senders.ts'
import { createSmtpDelivery } from '../auth/mail/smtp-delivery.ts'
import { pageAddresses } from '../auth/pages/page-addresses.ts'
import { createPasswordHashLimit } from '../auth/password-hash-limit.ts'
import { createRateLimits } from '../auth/rate-limit.ts'
import { createConsumedTokens } from '../auth/restore-consumed-tokens.ts'
import type { SessionChanges } from '../auth/session-changes.ts'
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

export interface AuthServicesOptions extends Pick<Settings, 'config' | 'policy' | 'deliver'> {
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

// Requests share a look-up, which may have begun, and refreshed the session, before one of them.
const refreshedBeforeMs = 60_000

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
  const consumedTokens = createConsumedTokens()
  // Work that goes on after its response, mails above all. A gateway waits for it when it closes.
  const unfinished = new Set<Promise<void>>()
  const background = (task: Promise<void>) => {
    unfinished.add(task)
    const done = () => unfinished.delete(task)
    task.then(done, done)
  }
  const deliver = deliveryOf(options, background)
  const prefix = cookiePrefix(publicUrl, config.production)
  const signer = createCookieSigner(secret, config.previousSecret)
  // Undefined while BetterAuth starts, when a plugin may change sessions already.
  let resolver: SessionResolver | undefined
  const changes: SessionChanges = {
    sessionChanged(token) {
      resolver?.sessionChanged(token)
      worker?.publishSessionEvent(`s${subjectOf(token)}`)
    },
    userChanged(userId) {
      resolver?.userChanged(userId)
      worker?.publishSessionEvent(`u${subjectOf(userId)}`)
    }
  }
  const auth = createAuth({
    database,
    publicUrl,
    cookiePrefix: prefix,
    secret,
    previousSecret: config.previousSecret,
    trustedOrigins: [...config.trustedOrigins, ...config.appOrigins],
    publicSignUp: config.publicSignUp,
    extension: deliver === undefined ? policy.auth : withSenders(policy.auth, deliver),
    lifetimes: policy.session,
    errorUrl: config.pages ? publicUrl + pageAddresses(ownPaths.pages).signIn : undefined,
    limits,
    passwordHashLimit,
    consumedTokens,
    background,
    logger: createBetterAuthLogger(log),
    changes
  })
  const context = await auth.$context
  await requireSchema(context)
  const { authCookies, sessionConfig } = context
  const sessionCookie = authCookies.sessionToken.name
  const admin = adminColumns(policy.auth)
  const ages = agesOf(policy.session)
  const readExpiries = createExpiryReader(database, admin, ages)
  const cookies = createBetterAuthCookies({
    prefix,
    signer,
    sessionSeconds: sessionConfig.expiresIn,
    async readLiving(tokens) {
      const reading = withTimeout(database.patienceMs, readExpiries(tokens), 'the sessions were not read in time')
      const ends = [...(await reading)]
      return new Set(ends.filter(([, end]) => end > Date.now()).map(([token]) => token))
    }
  })
  const live = new LiveSessions({
    readExpiries,
    readUsers: createUserReader(database, admin),
    listening: () => options.sessionEvents?.listening === true,
    sweepMs: Math.max(config.session.cacheTtlMs, fastestSweepMs),
    now: Date.now
  })
  const sliding = {
    expiresInMs: sessionConfig.expiresIn * 1_000,
    updateAgeMs:
      context.options.session?.disableSessionRefresh === true
        ? Number.POSITIVE_INFINITY
        : sessionConfig.updateAge * 1_000
  }
  const sessions = createSessionResolver({
    cookieNames: { session: sessionCookie, dontRemember: authCookies.dontRememberToken.name },
    signer,
    readSession: createSessionReader(database, admin, readPrincipalHeaders(policy).fields),
    async refresh(cookieHeader) {
      const since = Date.now()
      const cookie = cookies.forBetterAuth(cookieHeader, '/get-session')
      // A few statements, each of which may wait. One that is cut short costs a cookie that is as good for days to come.
      const refreshed = auth.api.getSession({ headers: new Headers({ cookie }), returnHeaders: true })
      const inTime = withTimeout(database.patienceMs, refreshed, 'the session was not refreshed in time')
      const { headers } = await inTime.catch((error: unknown) => {
        // Should it be refreshed after all, then for nobody.
        refreshed.then(
          ({ headers }) => refreshLost(cookieHeader, headers.getSetCookie(), since),
          () => {}
        )
        throw error
      })
      return cookies.forBrowser(headers.getSetCookie(), cookieHeader)
    },
    signedAnew: cookies.signedAnew,
    async refreshAgain(token, since) {
      const { expiresInMs, updateAgeMs } = sliding
      // Sessions that are never refreshed must not end for it.
      if (updateAgeMs >= expiresInMs) return
      const due = Date.now() + expiresInMs - updateAgeMs
      // Only what was refreshed for this request, and never later than it was: somebody may have ended it meanwhile.
      const refreshed = new Date(Math.max(due, since - refreshedBeforeMs + expiresInMs))
      const isRefreshed = { field: 'expiresAt', operator: 'gt', value: refreshed } as const
      const where = [{ field: 'token', value: token }, isRefreshed]
      const changed = await context.adapter.updateMany({
        model: 'session',
        where,
        update: { expiresAt: new Date(due) }
      })
      if (changed > 0) changes.sessionChanged(token)
    },
    sliding,
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

  // Of what BetterAuth set for nobody, only the cookie of a session that is remembered is missed.
  function refreshLost(cookieHeader: string, setCookies: readonly string[], since: number): void {
    const cookie = readCookie(cookieHeader, sessionCookie)
    const isRefresh = (line: string) => line.startsWith(`${sessionCookie}=`) && /;\s*max-age=[1-9]/i.test(line)
    if (cookie.kind === 'present' && setCookies.some(isRefresh)) sessions.refreshLost(cookie.value, since)
  }
  const callAuth = createAuthCaller({
    auth,
    basePath: ownPaths.betterAuth,
    cookies,
    consumedTokens,
    limits,
    passwordHashLimit,
    log,
    background
  })
  return { auth, callAuth, limits, sessions, sessionCookie, refreshLost, live, unfinished }
}

/** Who takes the mails that the policy has no sender for. */
function deliveryOf(
  { policy, publicUrl, log, deliver }: AuthServicesOptions,
  background: (task: Promise<void>) => void
): Deliver | undefined {
  const { mail, brand, auth } = policy
  if (mail === undefined) return deliver
  const app = brand.name ?? auth.appName ?? new URL(publicUrl).hostname
  return createSmtpDelivery({ settings: mail, publicUrl, app, log, background })
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
