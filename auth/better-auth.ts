import { drizzleAdapter } from 'better-auth/adapters/drizzle'
import { type BetterAuthOptions, betterAuth } from 'better-auth/minimal'
import type { Database } from '../db/database.ts'
import type { ConcurrencyLimit } from '../db/semaphore.ts'
import { adminColumns, refuseBanned } from './admin-plugin.ts'
import type { AuthExtension } from './auth-options.ts'
import { mostRows, policyHooks, reportChanges, revokeAllOthers, type SessionChanges } from './better-auth-hooks.ts'
import { addressOptions } from './client-address.ts'
import { cookiePrefix } from './cookie-header.ts'
import { distrustOverlong, limitInput } from './input-limits.ts'
import { hashInTurn } from './password-hash-limit.ts'
import type { RateLimits } from './rate-limit.ts'
import { countSecretAttempts } from './secret-endpoints.ts'
import { hideAccountLookUps } from './user-enumeration.ts'

export interface AuthOptions {
  readonly database: Database
  /** The public origin, without a trailing slash. */
  readonly publicUrl: string
  readonly secret: string
  /** Further browser origins. */
  readonly trustedOrigins: readonly string[]
  /** False: nobody can make an account for themselves, by whatever way. */
  readonly publicSignUp: boolean
  /** `auth` of the policy file. */
  readonly extension: AuthExtension
  /** Where BetterAuth leads a person whom it can tell of a failure by no page of theirs. Default: a page of its own. */
  readonly errorUrl?: string | undefined
  readonly limits: RateLimits
  /** The turns of everything that hashes a password. */
  readonly passwordTurns: ConcurrencyLimit
  /** Gets what BetterAuth has to say, clients' text and queries' parameters included: it has to redact them. */
  readonly logger: NonNullable<BetterAuthOptions['logger']>
  readonly changes: SessionChanges
  /** Is handed what goes on after an answer, mails above all; it never rejects. By default it is left to itself. */
  readonly background?: ((task: Promise<void>) => void) | undefined
}

/** The BetterAuth instance. */
export type Auth = ReturnType<typeof createAuth>

/** Builds BetterAuth on our tables, limits and log. What the policy file adds can extend it, and displace nothing. */
export function createAuth(options: AuthOptions) {
  const { publicUrl, extension, limits } = options
  const auth = betterAuth<BetterAuthOptions>({
    appName: extension.appName,
    disabledPaths: extension.disabledPaths,
    databaseHooks: extension.databaseHooks,
    onAPIError: {
      ...(options.errorUrl !== undefined && { errorURL: options.errorUrl }),
      ...extension.onAPIError,
      // BetterAuth would print what it does not know to the console, queries' parameters included.
      throw: true
    },
    baseURL: publicUrl,
    basePath: '/api/auth',
    secret: options.secret,
    trustedOrigins: [publicUrl, ...options.trustedOrigins],
    database: drizzleAdapter(options.database.db, {
      provider: 'pg',
      schema: options.database.schema,
      transaction: true
    }),
    ...accountOptions(options),
    hooks: { ...extension.hooks, before: countSecretAttempts(limits) },
    plugins: [
      distrustOverlong(),
      limitInput(extension.emailAndPassword?.maxPasswordLength),
      reportChanges(options.changes, options.publicSignUp),
      revokeAllOthers(),
      policyHooks(extension.hooks?.before),
      ...(extension.plugins ?? [])
    ],
    rateLimit: {
      enabled: true,
      customStorage: limits.storage,
      customRules: {
        // An office behind one address must be able to look up its sessions and to leave: the limit on all paths together is
        // theirs too, and is wide enough.
        '/get-session': false,
        '/sign-out': false,
        // They say whether a password is the right one, as /change-password does, and had thirty times as many tries.
        '/delete-user': { window: 10, max: 3 },
        '/verify-password': { window: 10, max: 3 }
      }
    },
    logger: options.logger,
    telemetry: { enabled: false },
    advanced: { backgroundTasks: inBackground(options.background), ...extension.advanced, ...ownAdvanced(publicUrl) }
  })
  if (adminColumns(extension) !== undefined) refuseBanned(auth)
  hideAccountLookUps(auth)
  return auth
}

function accountOptions({ publicSignUp, extension, passwordTurns }: AuthOptions): Partial<BetterAuthOptions> {
  const { sendResetPassword, sendVerificationEmail } = extension
  return {
    emailAndPassword: {
      enabled: true,
      autoSignIn: true,
      minPasswordLength: 8,
      ...(sendResetPassword && { sendResetPassword }),
      ...extension.emailAndPassword,
      password: hashInTurn(passwordTurns, extension.emailAndPassword?.password),
      revokeSessionsOnPasswordReset: true,
      disableSignUp: !publicSignUp
    },
    emailVerification: {
      ...(sendVerificationEmail && { sendVerificationEmail }),
      // Whoever has to confirm an address gets another mail by signing in: the first may be lost, or too old.
      sendOnSignIn: extension.emailAndPassword?.requireEmailVerification === true,
      ...extension.emailVerification
    },
    socialProviders: publicSignUp ? extension.socialProviders : withoutSignUp(extension.socialProviders),
    user: { ...extension.user, deleteUser: { enabled: true, ...extension.user?.deleteUser } },
    session: { ...extension.session, cookieCache: { enabled: false } },
    account: extension.account,
    verification: extension.verification
  }
}

// Awaited, a mail would hold a sign-up's database connection until it is sent, and its delay would tell whether an
// address has an account.
function inBackground(keep: AuthOptions['background']) {
  const settled = (task: Promise<unknown>): Promise<void> => task.then(ignore, ignore)
  return { handler: (task: Promise<unknown>) => (keep ?? ignore)(settled(task)) }
}

function ignore(): void {}

/** What no policy file may change. */
function ownAdvanced(publicUrl: string): NonNullable<BetterAuthOptions['advanced']> {
  const https = publicUrl.startsWith('https:')
  return {
    // BetterAuth's own switch says `__Secure-`, and to some cookies only by name; this way all of them are `__Host-`.
    useSecureCookies: false,
    cookiePrefix: cookiePrefix(publicUrl),
    defaultCookieAttributes: { secure: https, httpOnly: true, sameSite: 'lax', path: '/' },
    ipAddress: addressOptions,
    // Left unsaid, both checks are off wherever NODE_ENV or TEST says that this is a test.
    disableCSRFCheck: false,
    disableOriginCheck: false,
    // Joined in the database: the adapter's own joining prints a failed query to the console. Lists end at a hundred
    // by default, and most of what asks for one takes that for all there is.
    database: { joins: true, defaultFindManyLimit: mostRows }
  }
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
