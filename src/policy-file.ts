import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import {
  type AuthExtension,
  type BodyLimitsByPath,
  bodyLimitProblems,
  extensionProblems,
  hasAdminPlugin
} from '../auth/auth-options.ts'
import { foldHeaderName, kindOfHeader } from '../auth/header-kinds.ts'
import { methods } from '../auth/http-methods.ts'
import { type Brand, brandProblems, resolveBrand } from '../auth/pages/theme.ts'
import type { HeaderPolicy, PrincipalHeader } from '../proxy/request-headers.ts'
import type { RouteRule } from '../proxy/route-policy.ts'
import { ConfigError } from './config/config.ts'
import { absoluteUpstreams, type UpstreamSpec, upstreamProblems } from './config/upstream-spec.ts'

const principalHeaders = ['name', 'role', 'sessionId', 'impersonatedBy'] as const satisfies PrincipalHeader[]

/** A rule of the policy file, in what it may say by itself; what rules mean together, `compileRules` judges. */
export const ruleShape = z
  .strictObject(
    {
      path: z.string('must be text that starts with "/"'),
      access: z.enum(['public', 'optional', 'session', 'deny'], 'must be public, optional, session or deny'),
      methods: z
        .array(z.enum(methods, `must be one of ${methods.join(', ')}, in capitals`), 'must be a list of methods')
        .min(1, 'must name a method; leave it out for all of them')
        .optional(),
      upstream: z.string('must be the name of one of the upstreams').optional(),
      roles: z
        .array(z.string().regex(/^[^,\s]+$/, 'must be one role, without commas and spaces'), 'must be a list of roles')
        .min(1, 'must name a role; leave it out for everybody with a session')
        .optional(),
      verified: z.literal(true, 'must be true, or be left out').optional(),
      freshWithin: z.number('must be a number of seconds').positive('must be above 0 seconds').optional(),
      keepOpen: z.boolean('must be true or false').optional()
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be an object with path and access' : undefined) }
  )
  .transform(
    ({ methods, upstream, roles, verified, freshWithin, keepOpen, ...rule }): RouteRule => ({
      ...rule,
      ...(methods === undefined ? {} : { methods }),
      ...(upstream === undefined ? {} : { upstream }),
      ...(roles === undefined ? {} : { roles }),
      ...(verified === undefined ? {} : { verified }),
      ...(freshWithin === undefined ? {} : { freshWithin }),
      ...(keepOpen === undefined ? {} : { keepOpen })
    })
  )

/** Which further headers about an identified user upstreams get. */
export const principalHeadersShape = z
  .array(
    z.enum(principalHeaders, `must be one of ${principalHeaders.join(', ')}`),
    `must be a list of ${principalHeaders.join(', ')}`
  )
  .default([])

// The gateway takes its own cookies out of `Cookie`, and an upgrade is one because of what these say.
const needed = new Set([
  'cookie',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions'
])

const headerNames = z
  .array(
    z.string().regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/i, 'must be the whole name of one header, of letters, digits and "-"'),
    'must be a list of header names'
  )
  .default([])

/** Which of clients' headers are dropped beyond those that always are, and which of those pass. */
export const headersShape = z
  .strictObject(
    { drop: headerNames, pass: headerNames },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be an object with drop, pass or both' : undefined) }
  )
  .prefault({})
  .superRefine(({ drop, pass }: HeaderPolicy, context) => {
    const dropped = new Set(drop.map(foldHeaderName))
    const judge = (
      list: 'drop' | 'pass',
      names: readonly string[],
      problem: (folded: string) => string | undefined
    ) => {
      for (const [index, name] of names.entries()) {
        const message = problem(foldHeaderName(name))
        if (message !== undefined)
          context.addIssue({ code: 'custom', path: [list, index], message: `${JSON.stringify(name)} ${message}` })
      }
    }
    judge('drop', drop, whyKept)
    judge('pass', pass, (folded) => (dropped.has(folded) ? 'is in drop as well' : whyDropped(folded)))
  })

function whyKept(folded: string): string | undefined {
  const kind = kindOfHeader(folded)
  if (kind === 'connection' || kind === 'framing' || needed.has(folded))
    return 'cannot be dropped: HTTP or the gateway needs it'
  return kind === 'reserved' ? "cannot be dropped: clients' own never pass, and the gateway's always do" : undefined
}

function whyDropped(folded: string): string | undefined {
  switch (kindOfHeader(folded)) {
    case 'moving':
      return undefined
    case 'reserved':
      return 'can never pass: upstreams take what it says for what the gateway says'
    case 'trace':
      return 'passes from TRUSTED_PROXIES alone'
    case 'connection':
      return 'belongs to one connection and is never passed on'
    default:
      return 'is not dropped: leave it out'
  }
}

/** What `gatehouse.config.ts` says: who may reach what, what is added to BetterAuth, and how the pages look. */
export interface PolicyConfig {
  routes: readonly RouteRule[]
  auth: AuthExtension
  /** Name, logo and colours of the built-in pages. */
  brand: Brand
  /** What stands behind the gateway beside FastAPI, by the names that rules use. */
  upstreams: Readonly<Record<string, UpstreamSpec>>
  /** What FastAPI is told about an identified user besides id, email and its verification; nothing by default. */
  principalHeaders: readonly PrincipalHeader[]
  /** Which headers of clients upstreams never see beyond those that they never do, and which of those they do; neither by default. */
  headers: HeaderPolicy
  /** Paths below `/api/auth` whose bodies may be of another size than MAX_AUTH_BODY_BYTES, and their bytes. */
  bodies: BodyLimitsByPath
}

/** The policy file with the names of its upstreams, so that a rule can name no other. */
export type PolicyInput<Name extends string> = Partial<Omit<PolicyConfig, 'routes' | 'upstreams' | 'headers'>> & {
  readonly headers?: Partial<HeaderPolicy>
  readonly upstreams?: Readonly<Record<Name, UpstreamSpec>>
  readonly routes?: readonly (Omit<RouteRule, 'upstream'> & { readonly upstream?: NoInfer<Name> })[]
}

/** Types the policy file's default export and fills in what it leaves out. Judges nothing: `loadPolicy` does. */
export function defineConfig<Name extends string = never>(config: PolicyInput<Name>): PolicyConfig {
  const headers = { drop: [], pass: [], ...config.headers }
  return { routes: [], auth: {}, brand: {}, upstreams: {}, principalHeaders: [], bodies: {}, ...config, headers }
}

const fileShape = z.strictObject(
  {
    routes: z.array(ruleShape, 'must be a list of rules').default([]),
    auth: z.custom<AuthExtension>().prefault({}),
    brand: z.custom<Brand>().prefault({}),
    upstreams: z.custom<PolicyConfig['upstreams']>().prefault({}),
    principalHeaders: principalHeadersShape,
    headers: headersShape,
    bodies: z.custom<BodyLimitsByPath>().prefault({})
  },
  {
    error: (issue) => (issue.code === 'invalid_type' ? 'must have export default defineConfig({ … })' : undefined)
  }
)

/**
 * Reads and judges the policy file. A missing one that nobody named is an empty policy: everything needs a session.
 * Throws a ConfigError with every problem when it is named and missing, cannot be imported, or says what it must not.
 */
export async function loadPolicy(file: { path: string; named: boolean }): Promise<PolicyConfig> {
  const exists = await access(file.path).then(
    () => true,
    () => false
  )
  if (!exists) {
    if (!file.named) return Object.freeze(defineConfig({}))
    throw new ConfigError(['GATEHOUSE_CONFIG: the policy file that it names does not exist or cannot be read'])
  }
  return judge(file.path, await importDefault(file.path))
}

async function importDefault(path: string): Promise<unknown> {
  try {
    const module: { default?: unknown } = await import(pathToFileURL(path).href)
    return module.default
  } catch (error) {
    const cause = error instanceof Error ? `${error.name}: ${error.message}` : 'it threw something that is no error'
    throw new ConfigError([`${path}: cannot be imported: ${cause.split('\n')[0]}`])
  }
}

function judge(path: string, exported: unknown): PolicyConfig {
  const shape = fileShape.safeParse(exported)
  const problems = shape.success ? [] : shape.error.issues.flatMap(wording)
  if (typeof exported === 'object' && exported !== null && 'auth' in exported && exported.auth !== undefined)
    problems.push(...extensionProblems(exported.auth))
  if (typeof exported === 'object' && exported !== null && 'brand' in exported && exported.brand !== undefined)
    problems.push(...brandProblems(exported.brand, dirname(path)))
  if (typeof exported === 'object' && exported !== null && 'upstreams' in exported && exported.upstreams !== undefined)
    problems.push(...upstreamProblems(exported.upstreams, dirname(path)))
  if (typeof exported === 'object' && exported !== null && 'bodies' in exported && exported.bodies !== undefined)
    problems.push(...bodyLimitProblems(exported.bodies))
  if (shape.success) problems.push(...namelessUpstreams(shape.data))
  if (shape.success && extensionProblems(shape.data.auth).length === 0) problems.push(...adminProblems(shape.data))
  if (!shape.success || problems.length > 0) throw new ConfigError(problems.map((problem) => `${path}: ${problem}`))
  const brand = resolveBrand(shape.data.brand, dirname(path))
  return Object.freeze({ ...shape.data, brand, upstreams: absoluteUpstreams(shape.data.upstreams, dirname(path)) })
}

function namelessUpstreams({ routes, upstreams }: PolicyConfig): string[] {
  return routes.flatMap(({ upstream }, index) =>
    upstream === undefined || (typeof upstreams === 'object' && Object.hasOwn(upstreams, upstream))
      ? []
      : [`routes[${index}].upstream: ${JSON.stringify(upstream)} is not among the upstreams`]
  )
}

// Roles and impersonation are the admin plugin's; without it a rule that asks for a role would admit nobody.
function adminProblems({
  routes,
  principalHeaders,
  auth
}: Pick<PolicyConfig, 'routes' | 'principalHeaders' | 'auth'>): string[] {
  if (hasAdminPlugin(auth)) return []
  const needy = [
    ...routes.flatMap(({ roles }, index) => (roles === undefined ? [] : [`routes[${index}].roles`])),
    ...principalHeaders
      .filter((name) => name === 'role' || name === 'impersonatedBy')
      .map((name) => `principalHeaders: ${JSON.stringify(name)}`)
  ]
  return needy.map((place) => `${place} needs BetterAuth's admin plugin: add admin() to auth.plugins`)
}

function wording(issue: z.core.$ZodIssue): string[] {
  const at = issue.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  const place = at.replace(/^\./, '')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${place === '' ? key : `${place}.${key}`}: is not known in this version`)
  return [place === '' ? issue.message : `${place}: ${issue.message}`]
}
