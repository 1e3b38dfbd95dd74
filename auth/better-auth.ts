import { drizzleAdapter } from 'better-auth/adapters/drizzle'
import { type BetterAuthOptions, betterAuth } from 'better-auth/minimal'
import type { Database } from '../db/database.ts'
import type { ConcurrencyLimit } from '../db/semaphore.ts'
import { createSurplusReader } from '../db/session-queries.ts'
import { adminColumns } from './admin-plugin-columns.ts'
import { refuseBanned } from './banned-users.ts'
import { addressOptions } from './client-address.ts'
import { closeSignUp } from './closed-sign-up.ts'
import { secretsOf } from './count-unopened-values.ts'
import { acceptImportedHashes } from './imported-passwords.ts'
import { limitInput } from './input-limits.ts'
import { rememberEachSession } from './multi-session-remember-me.ts'
import { lockOptimistically } from './optimistic-lock.ts'
import { defaultOwnPaths } from './own-paths.ts'
import { limitHashing } from './password-hash-limit.ts'
import { endPendingLinks, refuseEndedEmailChanges } from './pending-links.ts'
import { type AuthExtension, hasAdminPlugin, judgesPasswords } from './policy-auth-options.ts'
import type { RateLimits } from './rate-limit.ts'
import type { ConsumedTokens } from './restore-consumed-tokens.ts'
import { mostRows, revokeAllOthers } from './revoke-other-sessions-endpoint.ts'
import { countSecretAttempts } from './secret-attempt-hook.ts'
import { reportChanges, type SessionChanges } from './session-changes.ts'
import { agesOf, endByAge, type SessionLifetimes, sessionOptions } from './session-lifetimes.ts'
import { limitSessions } from './sessions-per-user.ts'
import { trustIdentityProviders } from './sso-trusted-origins.ts'
import { passOverUnopenedKeys } from './unopened-signing-keys.ts'
import { hideAccountLookUps } from './user-enumeration.ts'

export interface AuthOptions {
  readonly database: Database
  /** The public origin, without a trailing slash. */
  readonly publicUrl: string
  /** Of the cookies' names, up to the dot. */
  readonly cookiePrefix: string
  readonly secret: string
  /** Opens what it has encrypted in the database; signs and verifies nothing here. */
  readonly previousSecret?: string | undefined
  /** Further browser origins. */
  readonly trustedOrigins: readonly string[]
  /** False: nobody can make an account for themselves, in whatever way. */
  readonly publicSignUp: boolean
  /** `auth` of the policy file. */
  readonly extension: AuthExtension
  /** `session` of the policy file. Default: BetterAuth's. */
  readonly lifetimes?: SessionLifetimes | undefined
  /** The page that shows failures of which the application has no page of its own. Default: BetterAuth's. */
  readonly errorUrl?: string | undefined
  readonly limits: RateLimits
  /** The semaphore of everything that hashes a password. */
  readonly passwordHashLimit: ConcurrencyLimit
  /** Receives what BetterAuth logs, clients' text and queries' parameters included, and has to redact it. */
  readonly logger: NonNullable<BetterAuthOptions['logger']>
  readonly changes: SessionChanges
  /** Notes what is consumed, so that it can be put back. Default: it stays consumed. */
  readonly consumedTokens?: ConsumedTokens | undefined
  /** Is handed work that goes on after the response, mails above all; it never rejects. Without it nobody waits for that work. */
  readonly background?: ((task: Promise<void>) => void) | undefined
}

/** The BetterAuth instance. */
export type Auth = ReturnType<typeof createAuth>

/** Builds BetterAuth on the gateway's tables, limits and log. The policy file can extend these options and override none of them. */
export function createAuth(options: AuthOptions) {
  const { publicUrl, extension, limits, lifetimes = {}, background = ignore } = options
  const { perUser } = lifetimes
  const [ages, admin] = [agesOf(lifetimes), adminColumns(extension)]
  // Awaited, a mail would hold a sign-up's database connection until it is sent, and its delay would tell whether an
  // address has an account.
  const inBackground = (task: Promise<unknown>) => background(task.then(ignore, ignore))
  // The policy file's own hook runs right after the gateway's.
  const policyHook = extension.hooks?.before && { matcher: () => true, handler: extension.hooks.before }
  const auth = betterAuth<BetterAuthOptions>({
    appName: extension.appName,
    disabledPaths: extension.disabledPaths,
    databaseHooks: extension.databaseHooks,
    onAPIError: {
      ...(options.errorUrl !== undefined && { errorURL: options.errorUrl }),
      ...extension.onAPIError,
      // BetterAuth would otherwise print unknown errors to the console, queries' parameters included.
      throw: true
    },
    baseURL: publicUrl,
    basePath: extension.basePath ?? defaultOwnPaths.betterAuth,
    ...secretsOf(options),
    trustedOrigins: [publicUrl, ...options.trustedOrigins],
    database: drizzleAdapter(options.database.db, {
      provider: 'pg',
      schema: options.database.schema,
      transaction: true
    }),
    ...accountOptions(options),
    hooks: { ...extension.hooks, before: countSecretAttempts(limits) },
    plugins: [
      limitInput(extension.emailAndPassword?.maxPasswordLength),
      trustIdentityProviders(extension.identityProviders),
      reportChanges(options.changes),
      ...(options.publicSignUp ? [] : [closeSignUp()]),
      revokeAllOthers(),
      rememberEachSession(),
      refuseEndedEmailChanges(),
      ...(policyHook === undefined ? [] : [{ id: 'gatehouse-policy', hooks: { before: [policyHook] } }]),
      ...(extension.plugins ?? []),
      ...(perUser === undefined
        ? []
        : [limitSessions(createSurplusReader(options.database, { most: perUser, ages }, admin))])
    ],
    rateLimit: {
      enabled: true,
      customStorage: limits.storage,
      customRules: {
        // Many people behind one address must be able to look up their sessions and to sign out. The limit on all paths
        // together holds for these too, and is wide enough.
        '/get-session': false,
        '/sign-out': false,
        // These tell whether a password is right, as /change-password does, and by default allow thirty times as many tries.
        '/delete-user': { window: 10, max: 3 },
        '/verify-password': { window: 10, max: 3 }
      }
    },
    logger: options.logger,
    telemetry: { enabled: false },
    advanced: { backgroundTasks: { handler: inBackground }, ...extension.advanced, ...ownAdvanced(options) }
  })
  auth.$context.then((context) => {
    if (hasAdminPlugin(extension)) refuseBanned(context)
    if (!judgesPasswords(extension)) acceptImportedHashes(context, options.passwordHashLimit)
    if (lifetimes.idle !== undefined || lifetimes.absolute !== undefined) endByAge(context, ages)
    hideAccountLookUps(context)
    lockOptimistically(context)
    endPendingLinks(context)
    passOverUnopenedKeys(context)
    options.consumedTokens?.attach(context)
  }, ignore) // Whoever awaits the context is told of its failure.
  return auth
}

function accountOptions(options: AuthOptions): Partial<BetterAuthOptions> {
  const { publicSignUp, extension, lifetimes = {}, limits, passwordHashLimit } = options
  const { sendResetPassword, sendVerificationEmail } = extension
  return {
    emailAndPassword: {
      enabled: true,
      autoSignIn: true,
      minPasswordLength: 8,
      ...(sendResetPassword && { sendResetPassword }),
      ...extension.emailAndPassword,
      password: limitHashing(passwordHashLimit, limits, extension.emailAndPassword?.password),
      revokeSessionsOnPasswordReset: true,
      disableSignUp: !publicSignUp
    },
    emailVerification: {
      ...(sendVerificationEmail && { sendVerificationEmail }),
      // Signing in sends another mail to those who still have to confirm their address: the first may be lost or expired.
      sendOnSignIn: extension.emailAndPassword?.requireEmailVerification === true,
      ...extension.emailVerification
    },
    socialProviders: publicSignUp ? extension.socialProviders : withoutSignUp(extension.socialProviders),
    user: { ...extension.user, deleteUser: { enabled: true, ...extension.user?.deleteUser } },
    session: { ...sessionOptions(lifetimes, extension.session), cookieCache: { enabled: false } },
    account: extension.account,
    verification: extension.verification
  }
}

function ignore(): void {}

/** Those of BetterAuth's `advanced` options that no policy file may change. */
function ownAdvanced({ publicUrl, cookiePrefix, extension }: AuthOptions) {
  const generateId = extension.advanced?.database?.generateId
  const https = publicUrl.startsWith('https:')
  return {
    // BetterAuth's switch would use `__Secure-`, and not for all cookies alike; this prefix makes all of them `__Host-`.
    useSecureCookies: false,
    cookiePrefix,
    defaultCookieAttributes: { secure: https, httpOnly: true, sameSite: 'lax', path: '/' },
    ipAddress: addressOptions,
    // Left out, both checks are off wherever NODE_ENV or TEST says that this is a test.
    disableCSRFCheck: false,
    disableOriginCheck: false,
    // Joined in the database: the adapter's own joining prints a failed query to the console. By default lists end at a
    // hundred rows, which most callers take for all there are.
    database: { joins: true, defaultFindManyLimit: mostRows, ...(generateId !== undefined && { generateId }) }
  } satisfies BetterAuthOptions['advanced']
}

function withoutSignUp(providers: AuthExtension['socialProviders']): AuthExtension['socialProviders'] {
  if (providers === undefined) return undefined
  const closed = Object.entries(providers).map(([name, provider]) => [
    name,
    typeof provider === 'function'
      ? async () => ({ ...(await provider()), disableSignUp: true })
      : { ...provider, disableSignUp: true }
  ])
  return Object.fromEntries(closed)
}
