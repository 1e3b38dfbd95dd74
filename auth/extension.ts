import type { BetterAuthOptions } from 'better-auth'

/** What of BetterAuth's options belongs to Gatehouse, and what to do instead. The types and the run-time check below are both made of this table. */
const owned = {
  baseURL: 'comes from BETTER_AUTH_URL',
  basePath: 'is /api/auth, which the gateway routes by',
  secret: 'comes from BETTER_AUTH_SECRET',
  secrets: 'comes from BETTER_AUTH_SECRET; the gateway verifies cookies with that one secret',
  database: 'comes from DATABASE_URL',
  secondaryStorage: 'would keep sessions where the gateway does not look',
  trustedOrigins: 'comes from TRUSTED_ORIGINS, which CORS and the origin check read too',
  rateLimit: 'is counted by the gateway, on the address that it trusts',
  logger: "is the gateway's, because BetterAuth's own prints live session tokens",
  telemetry: 'stays off: a gateway tells nobody about its users',
  experimental: 'is not supported: what it does may change from patch to patch'
} as const

const tableReason = "cannot be changed: the four tables are the gateway's"
const ownTable = { modelName: tableReason, fields: tableReason, additionalFields: tableReason } as const

const ownedIn = {
  user: ownTable,
  session: {
    ...ownTable,
    cookieCache: 'would answer for sessions that are gone; the gateway has its own cache, SESSION_CACHE_TTL',
    storeSessionInDatabase: 'is always so: the gateway reads sessions from the database',
    preserveSessionInDatabase: 'would keep rows of sessions that have ended',
    deferSessionRefresh: 'would keep the gateway from refreshing sessions'
  },
  emailAndPassword: {
    disableSignUp: 'comes from PUBLIC_SIGN_UP',
    revokeSessionsOnPasswordReset: 'is always so: a reset ends every session of the user'
  },
  account: {
    ...ownTable,
    skipStateCookieCheck: "would let an attacker sign a visitor in to the attacker's account"
  },
  verification: { ...ownTable, storeInDatabase: 'is always so' },
  onAPIError: {
    throw: 'is always so: the gateway words and logs errors',
    onError: 'is not supported: the gateway words and logs errors'
  },
  advanced: {
    cookies: "are the gateway's: every one of them is __Host- on https",
    cookiePrefix: "is the gateway's: __Host- on https",
    useSecureCookies: 'follows BETTER_AUTH_URL',
    crossSubDomainCookies: 'would hand the session to every subdomain; a __Host- cookie has one host',
    defaultCookieAttributes: "are the gateway's: HttpOnly, SameSite=Lax, Path=/, Secure on https",
    ipAddress: 'comes from the socket and TRUSTED_PROXIES',
    trustedProxyHeaders: 'would let a client choose its own origin; the origin comes from BETTER_AUTH_URL',
    disableCSRFCheck: 'would open every account to cross-site requests',
    disableOriginCheck: 'would let anybody redirect your users',
    database: "is the gateway's: ids and adapter settings belong to its schema",
    skipTrailingSlashes: "is the router's business"
  }
} as const

type Group = keyof typeof ownedIn
type OwnedKeyOf<G> = G extends Group ? keyof (typeof ownedIn)[G] : never
type Part<G extends keyof BetterAuthOptions> = Partial<Omit<NonNullable<BetterAuthOptions[G]>, OwnedKeyOf<G>>>

/** What `auth` in the policy file may say: BetterAuth's options without those that are Gatehouse's own. */
export type AuthExtension = Omit<BetterAuthOptions, keyof typeof owned | Group> & {
  [G in Group]?: Part<G> | undefined
} & {
  /** Short for `emailAndPassword.sendResetPassword`: sends the mail that lets a user choose a new password. */
  sendResetPassword?: NonNullable<BetterAuthOptions['emailAndPassword']>['sendResetPassword'] | undefined
  /** Short for `emailVerification.sendVerificationEmail`: sends the mail that proves an address. */
  sendVerificationEmail?: NonNullable<BetterAuthOptions['emailVerification']>['sendVerificationEmail'] | undefined
}

const shortcuts = { sendResetPassword: 'emailAndPassword', sendVerificationEmail: 'emailVerification' } as const

const allowed: readonly string[] = [
  'appName',
  'account',
  'advanced',
  'databaseHooks',
  'disabledPaths',
  'emailAndPassword',
  'emailVerification',
  'hooks',
  'onAPIError',
  'plugins',
  'sendResetPassword',
  'sendVerificationEmail',
  'session',
  'socialProviders',
  'user',
  'verification'
] satisfies (keyof AuthExtension)[]

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function groupProblems(group: string, value: Record<string, unknown>): string[] {
  const reasons: Record<string, string> = { ...Object.entries(ownedIn).find(([name]) => name === group)?.[1] }
  return Object.keys(value).flatMap((key) => {
    if (value[key] === undefined) return []
    const reason = Object.hasOwn(reasons, key) ? reasons[key] : undefined
    if (reason !== undefined) return [`auth.${group}.${key}: ${reason}`]
    // The rest of `advanced` weakens what the gateway promises, so a key that is not known here is not let through.
    if (group === 'advanced' && key !== 'backgroundTasks') return [`auth.advanced.${key}: is not known`]
    return []
  })
}

function pluginProblems(plugins: unknown): string[] {
  if (!Array.isArray(plugins)) return ['auth.plugins: must be a list of BetterAuth plugins']
  return plugins.flatMap((plugin: unknown, index) =>
    isObject(plugin) && typeof plugin['id'] === 'string'
      ? []
      : [`auth.plugins[${index}]: is not a BetterAuth plugin; was its function not called?`]
  )
}

/** Whether BetterAuth's admin plugin, which has roles and bans, is switched on. */
export function hasAdminPlugin({ plugins }: Pick<AuthExtension, 'plugins'>): boolean {
  return plugins?.some(({ id }) => id === 'admin') === true
}

/** Everything that `auth` of the policy file must not or cannot say, one sentence each; none when it is an {@link AuthExtension}. */
export function extensionProblems(auth: unknown): string[] {
  if (!isObject(auth)) return ['auth: must be an object']
  const problems: string[] = []
  for (const [key, value] of Object.entries(auth)) {
    if (value === undefined) continue
    const reason: string | undefined = Object.entries(owned).find(([name]) => name === key)?.[1]
    if (reason !== undefined) problems.push(`auth.${key}: ${reason}`)
    else if (!allowed.includes(key)) problems.push(`auth.${key}: is not known`)
    else if (key === 'plugins') problems.push(...pluginProblems(value))
    else if (key === 'appName') {
      if (typeof value !== 'string') problems.push('auth.appName: must be text')
    } else if (key === 'disabledPaths') {
      if (!Array.isArray(value)) problems.push('auth.disabledPaths: must be a list of paths')
    } else if (key === 'sendResetPassword' || key === 'sendVerificationEmail') {
      const nested = auth[shortcuts[key]]
      if (typeof value !== 'function') problems.push(`auth.${key}: must be a function`)
      if (isObject(nested) && nested[key] !== undefined)
        problems.push(`auth.${key}: is also given as auth.${shortcuts[key]}.${key}; keep one`)
    } else if (!isObject(value)) problems.push(`auth.${key}: must be an object`)
    else problems.push(...groupProblems(key, value))
  }
  return problems
}
