import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { type PrincipalHeader, readPrincipalHeaders } from '../auth/additional-fields.ts'
import type { BodyLimitsByPath } from '../auth/body-limits.ts'
import type { MailSettings } from '../auth/mail/smtp-delivery.ts'
import { defaultOwnPaths, type OwnPaths } from '../auth/own-paths.ts'
import type { Brand } from '../auth/pages/theme.ts'
import { pluginRateLimitProblems, type RateLimitsByPath } from '../auth/path-rate-limits.ts'
import { type AuthExtension, hasAdminPlugin } from '../auth/policy-auth-options.ts'
import { lifetimesSaidTwice, type SessionLifetimes } from '../auth/session-lifetimes.ts'
import type { HeaderPolicy } from '../proxy/request-headers.ts'
import type { RouteRule } from '../proxy/route-rules.ts'
import { ConfigError } from './config/environment.ts'
import type { PolicyFile } from './config/find-policy.ts'
import { isPlain, problemsOfPrototypes } from './config/plain-policy.ts'
import { basePathIn, policyShape, sentencesOf } from './config/policy-shape.ts'
import { isFolder, type UpstreamSpec } from './config/policy-upstreams.ts'
import { importPolicy } from './policy-import.ts'

/** What the policy file says: who may reach what, what is added to BetterAuth, and how the pages look. */
export interface PolicyConfig {
  routes: readonly RouteRule[]
  auth: AuthExtension
  /** Name, logo and colours of the built-in pages. */
  brand: Brand
  /** Where the built-in pages are. `auth.basePath` says where BetterAuth is. */
  pages: PagesPolicy
  /** The servers and folders behind the gateway beside FastAPI, by the names that rules use. */
  upstreams: Readonly<Record<string, UpstreamSpec>>
  /**
   * What FastAPI is told about an identified user besides id, email and whether the email is verified: `name`, `role`,
   * `sessionId`, `sessionCreatedAt`, `impersonatedBy`, and additional fields. Default: nothing.
   */
  principalHeaders: readonly PrincipalHeader[]
  /** Which headers of clients are dropped beyond those that always are, and which of those pass all the same. */
  headers: HeaderPolicy
  /** Paths below BetterAuth's with a limit of their own on bodies instead of MAX_AUTH_BODY_BYTES, in bytes. */
  bodies: BodyLimitsByPath
  /** Paths below BetterAuth's with rate limits of their own: how many requests of one address, how many wrong secrets. */
  rateLimits: RateLimitsByPath
  /** How long sessions last, in seconds, and how many a user may have. */
  session: SessionLifetimes
  /** The server that takes mails by SMTP, for every mail that `auth` has no sender for. Default: none, and none of those mails. */
  mail?: MailSettings
}

export interface PagesPolicy {
  /** The path that all of the pages are below, without a slash at its end. Default: `/auth`. */
  readonly path: string
}

/** The policy file with the names of its upstreams, so that a rule can name no other. */
export type PolicyInput<Name extends string> = Partial<
  Omit<PolicyConfig, 'routes' | 'upstreams' | 'headers' | 'pages'>
> & {
  readonly pages?: Partial<PagesPolicy>
  readonly headers?: Partial<HeaderPolicy>
  readonly upstreams?: Readonly<Record<Name, UpstreamSpec>>
  readonly routes?: readonly (Omit<RouteRule, 'upstream'> & { readonly upstream?: NoInfer<Name> })[]
}

/** Types the policy file's default export and fills in what it leaves out. Judges nothing: `loadPolicy` does. */
export function defineConfig<Name extends string = never>(config: PolicyInput<Name>): PolicyConfig {
  // Copies have only what is an object's own: `loadPolicy` would no longer see that something was lost.
  for (const given of [config, config.headers, config.pages])
    if (given !== undefined && !isPlain(given))
      throw new TypeError(
        'the policy, its headers and its pages have to be plain objects: what they have from a class or a prototype would be lost'
      )
  const headers = { drop: [], pass: [], ...config.headers }
  const pages = { path: defaultOwnPaths.pages, ...config.pages }
  const limits = { bodies: {}, rateLimits: {}, session: {} }
  return { routes: [], auth: {}, brand: {}, upstreams: {}, principalHeaders: [], ...limits, ...config, headers, pages }
}

/** Where BetterAuth and the built-in pages are on the public origin. */
export function ownPathsOf({ auth, pages }: Pick<PolicyConfig, 'auth' | 'pages'>): OwnPaths {
  return { betterAuth: auth.basePath ?? defaultOwnPaths.betterAuth, pages: pages.path }
}

/** What a policy file says before it is judged, and how problems of it are told. */
interface PolicySource {
  readonly exported: unknown
  /** What kept parts of it from being read, one sentence each. */
  readonly problems: readonly string[]
  /** Adds the file, and the line where that is known, to a sentence that begins with the place of what is wrong. */
  told(problem: string): ToldProblem
}

/** Where the secrets are that a TOML file names. */
interface SecretSource {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

interface ToldProblem {
  readonly text: string
  readonly line?: number
}

/**
 * Reads and judges the policy file; `problemsOfRules` judges what its rules mean together, and beside the gateway's own
 * paths. The secrets that a TOML file names are in `env`, or in files relative to `cwd` that it names. A missing file that nobody named is an empty policy: everything
 * needs a session. Throws a ConfigError with every problem when the file is named and missing, cannot be read, or says what
 * it must not.
 */
export async function loadPolicy(
  { path, named }: PolicyFile,
  problemsOfRules: (rules: readonly RouteRule[], own: OwnPaths) => string[] = () => [],
  { env, cwd }: SecretSource = { env: {}, cwd: dirname(path) }
): Promise<PolicyConfig> {
  const { exported, problems: notRead, told } = await readSource({ path, named }, { env, cwd })
  const unread = [...notRead, ...problemsOfPrototypes(exported)]
  const shape = policyShape(dirname(path), basePathIn(exported))
  const { data: policy, error } = shape.safeParse(exported)
  // What could not be read is told once, with the reason for that, and not again for being missing.
  const known = new Set(unread.map(placeOf))
  const problems = [...unread, ...(error?.issues ?? []).flatMap(sentencesOf).filter((one) => !known.has(placeOf(one)))]
  // What sections say together is judged as soon as these sections can be read, whatever is wrong with the others. An
  // unknown key, however, may be one of them misspelt.
  const misspelt = error?.issues.some(({ code, path }) => code === 'unrecognized_keys' && path.length === 0) === true
  const sections = misspelt ? undefined : exported
  const targets = shape.pick({ routes: true, upstreams: true }).strip().safeParse(sections)
  if (targets.success) problems.push(...unknownUpstreams(targets.data), ...encodedSlashesInFolders(targets.data))
  const roles = shape.pick({ routes: true, principalHeaders: true, auth: true }).strip().safeParse(sections)
  if (roles.success) problems.push(...missingAdminPlugin(roles.data))
  const principal = shape.pick({ principalHeaders: true, auth: true }).strip().safeParse(sections)
  if (principal.success) problems.push(...readPrincipalHeaders(principal.data).problems)
  const limits = shape.pick({ rateLimits: true, auth: true }).strip().safeParse(sections)
  if (limits.success) problems.push(...pluginRateLimitProblems(limits.data.rateLimits, limits.data.auth))
  const lifetimes = shape.pick({ session: true, auth: true }).strip().safeParse(sections)
  if (lifetimes.success) problems.push(...lifetimesSaidTwice(lifetimes.data.session, lifetimes.data.auth))
  const rules = shape.pick({ routes: true }).strip().safeParse(sections)
  const places = shape.pick({ auth: true, pages: true }).strip().safeParse(sections)
  const own = places.success ? ownPathsOf(places.data) : defaultOwnPaths
  const all = [...problems.map(told), ...problemsOfRules(rules.data?.routes ?? [], own).map(toldOfRules)]
  if (policy === undefined || all.length > 0)
    throw new ConfigError(all.toSorted((one, other) => (one.line ?? 0) - (other.line ?? 0)).map(({ text }) => text))
  return Object.freeze(policy)

  // These may be about the environment as well, and name the policy file's sections by themselves.
  function toldOfRules(problem: string): ToldProblem {
    return isToml(path) && !/^[A-Z]/.test(problem) ? told(problem) : { text: problem }
  }
}

function placeOf(problem: string): string {
  return problem.split(': ', 1)[0] ?? ''
}

function isToml(path: string): boolean {
  return path.endsWith('.toml')
}

async function readSource({ path, named }: PolicyFile, secrets: SecretSource): Promise<PolicySource> {
  const told = (problem: string) => ({ text: `${path}: ${problem}` })
  if (!existsSync(path)) {
    if (named)
      throw new ConfigError(['GATEHOUSE_CONFIG: the policy file that it names does not exist or cannot be read'])
    return { exported: {}, problems: [], told }
  }
  if (!isToml(path)) return { exported: await importPolicy(path), problems: [], told }
  const { readTomlPolicy } = await import('./config/toml-policy.ts')
  return readTomlPolicy(path, secrets)
}

function unknownUpstreams({ routes, upstreams }: Pick<PolicyConfig, 'routes' | 'upstreams'>): string[] {
  return routes.flatMap(({ upstream }, index) =>
    upstream === undefined || Object.hasOwn(upstreams, upstream)
      ? []
      : [`routes[${index}].upstream: ${JSON.stringify(upstream)} is not among the upstreams`]
  )
}

// A folder has no file with a slash in its name.
function encodedSlashesInFolders({ routes, upstreams }: Pick<PolicyConfig, 'routes' | 'upstreams'>): string[] {
  return routes.flatMap(({ upstream = '', encodedSlashes }, index) => {
    const spec = Object.hasOwn(upstreams, upstream) ? upstreams[upstream] : undefined
    return encodedSlashes === true && spec !== undefined && isFolder(spec)
      ? [`routes[${index}].encodedSlashes: ${JSON.stringify(upstream)} is a folder, whose paths have plain slashes`]
      : []
  })
}

// Roles and impersonation are the admin plugin's; without it a rule that asks for a role would admit nobody.
function missingAdminPlugin(policy: Pick<PolicyConfig, 'routes' | 'principalHeaders' | 'auth'>): string[] {
  if (hasAdminPlugin(policy.auth)) return []
  const places = [
    ...policy.routes.flatMap(({ roles }, index) => (roles === undefined ? [] : [`routes[${index}].roles`])),
    ...policy.principalHeaders
      .filter((name) => name === 'role' || name === 'impersonatedBy')
      .map((name) => `principalHeaders: ${JSON.stringify(name)}`)
  ]
  return places.map((place) => `${place} needs BetterAuth's admin plugin among auth.plugins`)
}
