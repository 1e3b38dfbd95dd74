import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { type PrincipalHeader, readPrincipalHeaders } from '../auth/additional-fields.ts'
import { type BodyLimitsByPath, bodyLimitProblems } from '../auth/body-limits.ts'
import { foldHeaderName, type HeaderKind, kindOfHeader } from '../auth/header-kinds.ts'
import { methods } from '../auth/http-methods.ts'
import { defaultOwnPaths, type OwnPaths, ownPathProblem } from '../auth/own-paths.ts'
import { type Brand, brandProblems, resolveBrand } from '../auth/pages/theme.ts'
import { pluginRateLimitProblems, type RateLimitsByPath, rateLimitProblems } from '../auth/path-rate-limits.ts'
import { type AuthExtension, extensionProblems, hasAdminPlugin } from '../auth/policy-auth-options.ts'
import { lifetimeProblems, lifetimesSaidTwice, type SessionLifetimes } from '../auth/session-lifetimes.ts'
import { isRecord } from '../db/type-guards.ts'
import type { HeaderPolicy } from '../proxy/request-headers.ts'
import type { RouteRule } from '../proxy/route-rules.ts'
import { ConfigError } from './config/environment.ts'
import { isFolder, type UpstreamSpec, upstreamsShape } from './config/policy-upstreams.ts'
import { importPolicy } from './policy-import.ts'

/** What `gatehouse.config.ts` says: who may reach what, what is added to BetterAuth, and how the pages look. */
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
  const headers = { drop: [], pass: [], ...config.headers }
  const pages = { path: defaultOwnPaths.pages, ...config.pages }
  const limits = { bodies: {}, rateLimits: {}, session: {} }
  return { routes: [], auth: {}, brand: {}, upstreams: {}, principalHeaders: [], ...limits, ...config, headers, pages }
}

/** Where BetterAuth and the built-in pages are on the public origin. */
export function ownPathsOf({ auth, pages }: Pick<PolicyConfig, 'auth' | 'pages'>): OwnPaths {
  return { betterAuth: auth.basePath ?? defaultOwnPaths.betterAuth, pages: pages.path }
}

/**
 * Reads and judges the policy file; `problemsOfRules` judges what its rules mean together, and beside the gateway's own
 * paths. A missing file that nobody named is an empty policy: everything needs a session. Throws a ConfigError with every
 * problem when the file is named and missing, cannot be imported, or says what it must not.
 */
export async function loadPolicy(
  { path, named }: { path: string; named: boolean },
  problemsOfRules: (rules: readonly RouteRule[], own: OwnPaths) => string[] = () => []
): Promise<PolicyConfig> {
  const exists = existsSync(path)
  if (!exists && named)
    throw new ConfigError(['GATEHOUSE_CONFIG: the policy file that it names does not exist or cannot be read'])
  const exported = exists ? await importPolicy(path) : {}

  const shape = policyShape(dirname(path), basePathIn(exported))
  const { data: policy, error } = shape.safeParse(exported)
  const problems = (error?.issues ?? []).flatMap(sentencesOf)
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
  const all = [...problems.map((problem) => `${path}: ${problem}`), ...problemsOfRules(rules.data?.routes ?? [], own)]
  if (policy === undefined || all.length > 0) throw new ConfigError(all)
  return Object.freeze(policy)
}

const ruleShape = z.preprocess(
  // An optional key that is given as undefined counts as left out.
  (rule) =>
    isRecord(rule) ? Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined)) : rule,
  z.strictObject(
    {
      path: z.string('must be text that starts with "/"'),
      access: z.enum(['public', 'optional', 'session', 'deny'], 'must be public, optional, session or deny'),
      methods: z
        .array(z.enum(methods, `must be one of ${methods.join(', ')}, in capitals`), 'must be a list of methods')
        .min(1, 'must name a method; leave it out for all of them')
        .exactOptional(),
      upstream: z.string('must be the name of one of the upstreams').exactOptional(),
      roles: z
        .array(z.string().regex(/^[^,\s]+$/, 'must be one role, without commas and spaces'), 'must be a list of roles')
        .min(1, 'must name a role; leave it out for everybody with a session')
        .exactOptional(),
      verified: z.literal(true, 'must be true, or be left out').exactOptional(),
      freshWithin: z.number('must be a number of seconds').positive('must be above 0 seconds').exactOptional(),
      keepOpen: z.boolean('must be true or false').exactOptional(),
      encodedSlashes: z.boolean('must be true or false').exactOptional()
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be an object with path and access' : undefined) }
  )
)

const headerNames = z
  .array(
    z.string().regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/i, 'must be the whole name of one header, of letters, digits and "-"'),
    'must be a list of header names'
  )
  .default([])

const headersShape = z
  .strictObject(
    { drop: headerNames, pass: headerNames },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be an object with drop, pass or both' : undefined) }
  )
  .superRefine(({ drop, pass }, context) => {
    const dropped = new Set(drop.map(foldHeaderName))
    const judge = (list: 'drop' | 'pass', names: string[], problemOf: (folded: string) => string | undefined) => {
      for (const [index, name] of names.entries()) {
        const problem = problemOf(foldHeaderName(name))
        if (problem !== undefined)
          context.addIssue({ code: 'custom', path: [list, index], message: `${JSON.stringify(name)} ${problem}` })
      }
    }
    judge('drop', drop, whyKept)
    judge('pass', pass, (folded) => (dropped.has(folded) ? 'is in drop as well' : whyNotPassed[kindOfHeader(folded)]))
  })

const pagesShape = z.strictObject(
  {
    path: z
      .string('must be text that starts with "/"')
      .superRefine((path, context) => {
        const message = ownPathProblem(path)
        if (message !== undefined) context.addIssue({ code: 'custom', message })
      })
      .default(defaultOwnPaths.pages)
  },
  { error: (issue) => (issue.code === 'invalid_type' ? 'must be an object with path' : undefined) }
)

/** The path that BetterAuth is below in a policy file that was not judged yet: the default where what it says is none. */
function basePathIn(exported: unknown): string {
  const auth = isRecord(exported) ? exported['auth'] : undefined
  const path = isRecord(auth) ? auth['basePath'] : undefined
  return typeof path === 'string' && ownPathProblem(path) === undefined ? path : defaultOwnPaths.betterAuth
}

/** The shape of a policy file in `folder` with BetterAuth below `basePath`. The paths of files in what it reads are absolute. */
function policyShape(folder: string, basePath: string) {
  return z.strictObject(
    {
      routes: z.array(ruleShape, 'must be a list of rules').default([]),
      auth: judgedBy<AuthExtension>(extensionProblems).prefault({}),
      brand: judgedBy<Brand>((brand) => brandProblems(brand, folder))
        .transform((brand) => resolveBrand(brand, folder))
        .prefault({}),
      pages: pagesShape.prefault({}),
      upstreams: upstreamsShape(folder).prefault({}),
      principalHeaders: z
        .array(
          z.union([z.string(), z.strictObject({ field: z.string(), clientMaySet: z.literal(true) })], {
            error: 'must be a name, or { field: …, clientMaySet: true }'
          }),
          'must be a list of names'
        )
        .default([]),
      headers: headersShape.prefault({}),
      bodies: judgedBy<BodyLimitsByPath>((bodies) => bodyLimitProblems(bodies, basePath)).prefault({}),
      rateLimits: judgedBy<RateLimitsByPath>((limits) => rateLimitProblems(limits, basePath)).prefault({}),
      session: judgedBy<SessionLifetimes>(lifetimeProblems).prefault({})
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must have export default defineConfig({ … })' : undefined) }
  )
}

/** A section that `problemsOf` judges, in sentences that begin with the section's name. */
function judgedBy<T>(problemsOf: (section: unknown) => string[]) {
  return z.custom<T>().superRefine((section, context) => {
    for (const message of problemsOf(section))
      context.addIssue({ code: 'custom', message, params: { namesItsPlace: true } })
  })
}

function sentencesOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'custom' && issue.params?.['namesItsPlace'] === true) return [issue.message]
  const at = issue.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  const place = at.replace(/^\./, '')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${place === '' ? key : `${place}.${key}`}: is not known in this version`)
  return [place === '' ? issue.message : `${place}: ${issue.message}`]
}

// The gateway takes its own cookies out of `Cookie`, and the others make a request an upgrade to a WebSocket.
const needed = new Set([
  'cookie',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions'
])

function whyKept(folded: string): string | undefined {
  const kind = kindOfHeader(folded)
  if (kind === 'connection' || kind === 'framing' || needed.has(folded))
    return 'cannot be dropped: HTTP or the gateway needs it'
  return kind === 'reserved' ? "cannot be dropped: clients' own never pass, and the gateway's always do" : undefined
}

const whyNotPassed: Readonly<Record<HeaderKind, string | undefined>> = {
  moving: undefined,
  reserved: 'can never pass: upstreams take what it says for what the gateway says',
  trace: 'passes from TRUSTED_PROXIES alone',
  connection: 'belongs to one connection and is never passed on',
  framing: 'is not dropped: leave it out',
  application: 'is not dropped: leave it out'
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
  return places.map((place) => `${place} needs BetterAuth's admin plugin: add admin() to auth.plugins`)
}
