import type { BetterAuthOptions } from 'better-auth'
import type { IdKind } from '../db/schema.ts'
import { isRecord } from '../db/type-guards.ts'
import { fieldProblems } from './additional-fields.ts'
import { identityProviderProblems } from './identity-providers.ts'
import { ownPathProblem } from './own-paths.ts'

/** The options of BetterAuth that the gateway sets itself, with the reason. The types and the checks below are derived from it. */
const owned = {
  baseURL: 'comes from BETTER_AUTH_URL',
  secret: 'comes from BETTER_AUTH_SECRET',
  secrets: 'comes from BETTER_AUTH_SECRET; the gateway verifies cookies with that one secret',
  database: 'comes from DATABASE_URL',
  secondaryStorage: 'would keep sessions where the gateway does not look',
  trustedOrigins: 'comes from TRUSTED_ORIGINS, which CORS and the origin check read too',
  rateLimit: 'is counted by the gateway, on the address that it trusts; rateLimits, beside auth, has limits by path',
  logger: "is the gateway's, because BetterAuth's own prints live session tokens",
  telemetry: 'stays off: a gateway tells nobody about its users',
  experimental: 'is not supported: what it does may change from patch to patch'
} as const

const tableReason = "cannot be changed: the four tables are the gateway's"
const ownNames = { modelName: tableReason, fields: tableReason } as const
const ownTable = { ...ownNames, additionalFields: tableReason } as const

/** The same for the options inside a group. */
const ownedIn = {
  user: ownNames,
  session: {
    ...ownNames,
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
    skipTrailingSlashes: "is the router's business"
  }
} as const

/** What the gateway sets itself, at the top of `auth` and in its groups, with the reasons. */
export const ownedOptions = { atTop: owned, inGroups: ownedIn } as const

type Group = keyof typeof ownedIn
type OwnedKeyOf<G> = G extends Group ? keyof (typeof ownedIn)[G] | (G extends 'advanced' ? 'database' : never) : never
type Part<G extends keyof BetterAuthOptions> = Partial<Omit<NonNullable<BetterAuthOptions[G]>, OwnedKeyOf<G>>>

/** Ids that Postgres makes: `uuid`, or `serial` for numbers that count up. */
export type GeneratedIds = Exclude<IdKind, 'text'>

/** What `auth` in the policy file may say: BetterAuth's options without those that the gateway sets itself. */
export type AuthExtension = Omit<BetterAuthOptions, keyof typeof owned | Group> & {
  [G in Exclude<Group, 'advanced'>]?: Part<G> | undefined
} & {
  advanced?: (Part<'advanced'> & { database?: { generateId?: GeneratedIds | undefined } | undefined }) | undefined
  /** Short for `emailAndPassword.sendResetPassword`: sends the mail that lets a user choose a new password. */
  sendResetPassword?: NonNullable<BetterAuthOptions['emailAndPassword']>['sendResetPassword'] | undefined
  /** Short for `emailVerification.sendVerificationEmail`: sends the mail that proves an address. */
  sendVerificationEmail?: NonNullable<BetterAuthOptions['emailVerification']>['sendVerificationEmail'] | undefined
  /**
   * The origins of identity providers on other domains, for the sso plugin alone: it may read their configuration and send
   * people there to sign in. None by default.
   */
  identityProviders?: readonly string[] | undefined
}

const shortcuts = { sendResetPassword: 'emailAndPassword', sendVerificationEmail: 'emailVerification' } as const

const checks = {
  'a function': (value: unknown) => typeof value === 'function',
  'a list of BetterAuth plugins': Array.isArray,
  'a list': Array.isArray,
  'a list of paths': Array.isArray,
  'an object': isRecord,
  text: (value: unknown) => typeof value === 'string'
} as const

const shapes: Readonly<Record<keyof AuthExtension, keyof typeof checks>> = {
  appName: 'text',
  account: 'an object',
  advanced: 'an object',
  basePath: 'text',
  databaseHooks: 'an object',
  disabledPaths: 'a list of paths',
  emailAndPassword: 'an object',
  emailVerification: 'an object',
  hooks: 'an object',
  onAPIError: 'an object',
  identityProviders: 'a list',
  plugins: 'a list of BetterAuth plugins',
  sendResetPassword: 'a function',
  sendVerificationEmail: 'a function',
  session: 'an object',
  socialProviders: 'an object',
  user: 'an object',
  verification: 'an object'
}

/** Whether BetterAuth's admin plugin, which has roles and bans, is switched on. */
export function hasAdminPlugin({ plugins }: Pick<AuthExtension, 'plugins'>): boolean {
  return plugins?.some(({ id }) => id === 'admin') === true
}

/** How the ids of users, sessions and all else are made. */
export function idKind({ advanced }: Pick<AuthExtension, 'advanced'>): IdKind {
  return advanced?.database?.generateId ?? 'text'
}

/** Whether the policy file may need more than the four tables as they are. */
export function hasPluginTables({
  plugins,
  user,
  session
}: Pick<AuthExtension, 'plugins' | 'user' | 'session'>): boolean {
  const adds = (fields: object | undefined) => fields !== undefined && Object.keys(fields).length > 0
  return (plugins?.length ?? 0) > 0 || adds(user?.additionalFields) || adds(session?.additionalFields)
}

/** Whether the policy file hashes or verifies passwords by functions of its own, which alone know what they store. */
export function judgesPasswords({ emailAndPassword }: Pick<AuthExtension, 'emailAndPassword'>): boolean {
  return emailAndPassword?.password !== undefined
}

/** What is wrong with `auth` of the policy file, one sentence each; nothing when it is an {@link AuthExtension}. */
export function extensionProblems(auth: unknown): string[] {
  if (!isRecord(auth)) return ['auth: must be an object']
  return Object.entries(auth).flatMap(([key, value]) => {
    if (value === undefined) return []
    const reason = ownValue(owned, key)
    if (reason !== undefined) return [`auth.${key}: ${reason}`]
    const shape = ownValue(shapes, key)
    if (shape === undefined) return [`auth.${key}: is not known`]
    const problems = checks[shape](value) ? [] : [`auth.${key}: must be ${shape}`]
    const group = ownValue(shortcuts, key)
    if (group !== undefined && isRecord(auth[group]) && auth[group][key] !== undefined)
      problems.push(`auth.${key}: is also given as auth.${group}.${key}; keep one`)
    const pathProblem = key === 'basePath' && typeof value === 'string' ? ownPathProblem(value) : undefined
    if (pathProblem !== undefined) problems.push(`auth.basePath: ${pathProblem}`)
    if (Array.isArray(value) && key === 'plugins') problems.push(...pluginProblems(value))
    if (Array.isArray(value) && key === 'identityProviders') problems.push(...identityProviderProblems(value))
    if (isRecord(value)) problems.push(...groupProblems(key, value))
    if ((key === 'user' || key === 'session') && isRecord(value) && value['additionalFields'] !== undefined)
      problems.push(...fieldProblems(key, value['additionalFields'], auth['plugins']))
    return problems
  })
}

function groupProblems(group: string, value: Record<string, unknown>): string[] {
  return Object.keys(value).flatMap((key) => {
    if (value[key] === undefined) return []
    const reason = ownValue(ownValue(ownedIn, group) ?? {}, key)
    if (reason !== undefined) return [`auth.${group}.${key}: ${reason}`]
    // Most of `advanced` weakens what the gateway promises, so only the keys that are known to be harmless are accepted.
    if (group === 'advanced' && key === 'database') return adapterProblems(value[key])
    if (group === 'advanced' && key !== 'backgroundTasks') return [`auth.advanced.${key}: is not known`]
    return []
  })
}

function adapterProblems(database: unknown): string[] {
  const section = 'auth.advanced.database'
  if (!isRecord(database)) return [`${section}: must be an object with generateId`]
  return Object.entries(database).flatMap(([key, value]) => {
    if (value === undefined) return []
    if (key !== 'generateId') return [`${section}.${key}: is the gateway's: adapter settings belong to its schema`]
    return value === 'uuid' || value === 'serial'
      ? []
      : [`${section}.generateId: must be "uuid" or "serial", or be left out`]
  })
}

function pluginProblems(plugins: readonly unknown[]): string[] {
  return plugins.flatMap((plugin, index) =>
    isRecord(plugin) && typeof plugin['id'] === 'string'
      ? []
      : [`auth.plugins[${index}]: is not a BetterAuth plugin; was its function not called?`]
  )
}

// The keys come from the policy file: names that every object inherits are none of the table's.
function ownValue<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}
