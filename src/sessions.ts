import type { Logger } from 'pino'
import { adminColumns } from '../auth/admin-plugin.ts'
import { type Auth, createAuth } from '../auth/better-auth.ts'
import { LiveSessions } from '../auth/live-sessions.ts'
import type { RateLimits } from '../auth/rate-limit.ts'
import { createCookieSigner, withTokenNames } from '../auth/session-cookie.ts'
import { subjectOf } from '../auth/session-decision.ts'
import { createSessionResolver, type SessionResolver } from '../auth/session-resolver.ts'
import type { Database } from '../db/database.ts'
import { createMonotonicClock } from '../db/monotonic-clock.ts'
import type { ConcurrencyLimit } from '../db/semaphore.ts'
import { createExpiryReader, createSessionReader, createUserReader } from '../db/session-queries.ts'
import { withTimeout } from '../db/timeout.ts'
import type { Background } from './background.ts'
import { ConfigError } from './config.ts'
import type { Settings } from './settings.ts'

export interface SessionParts {
  readonly config: Settings['config']
  readonly policy: Settings['policy']
  readonly publicUrl: string
  readonly secret: string
  readonly database: Database
  readonly limits: RateLimits
  readonly passwordTurns: ConcurrencyLimit
  readonly background: Background
  readonly log: Logger
  /** Whether sessions that end elsewhere are heard of right now. */
  readonly hearing: () => boolean
  /** Tells the other workers of this gateway what changed, in the words of session events. */
  readonly tellOthers?: ((event: string) => void) | undefined
}

// With the cache off sessions are still not read more often than this for connections that are merely open.
const fastestSweepMs = 1_000

/** BetterAuth, which owns the truth, and the resolver in front of it, which owns the speed; each tells the other. */
export async function createSessions(
  parts: SessionParts
): Promise<{ auth: Auth; sessions: SessionResolver; sessionCookie: string; live: LiveSessions }> {
  const { config, secret, database, log } = parts
  let sessions: SessionResolver | undefined
  const auth = createAuth({
    database,
    publicUrl: parts.publicUrl,
    secret,
    trustedOrigins: config.trustedOrigins,
    publicSignUp: config.publicSignUp,
    extension: parts.policy.auth,
    errorUrl: config.pages ? `${parts.publicUrl}/auth/sign-in` : undefined,
    limits: parts.limits,
    passwordTurns: parts.passwordTurns,
    background: (task) => parts.background.keep(task),
    log,
    changes: {
      sessionChanged(token) {
        sessions?.sessionChanged(token)
        parts.tellOthers?.(`s${subjectOf(token)}`)
      },
      userChanged(userId) {
        sessions?.userChanged(userId)
        parts.tellOthers?.(`u${subjectOf(userId)}`)
      }
    }
  })
  const context = await auth.$context
  await requireSchema(context)
  const { authCookies, sessionConfig, options } = context
  const sessionCookie = authCookies.sessionToken.name
  const admin = adminColumns(parts.policy.auth)
  const live = new LiveSessions({
    readExpiries: createExpiryReader(database, admin),
    readUsers: createUserReader(database, admin),
    hearing: parts.hearing,
    sweepMs: Math.max(config.session.cacheTtlMs, fastestSweepMs),
    now: Date.now
  })
  sessions = createSessionResolver({
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
        options.session?.disableSessionRefresh === true ? Number.POSITIVE_INFINITY : sessionConfig.updateAge * 1_000
    },
    live,
    cache: {
      ttlMs: config.session.cacheTtlMs,
      max: config.session.cacheMax,
      staleMs: config.session.staleIfErrorMs
    },
    now: Date.now,
    elapsed: createMonotonicClock()
  })
  return { auth, sessions, sessionCookie, live }
}

// BetterAuth would say so only to the first request, and to all that follow.
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
