import { z } from 'zod'
import { type BodyLimitsByPath, bodyLimitProblems } from '../../auth/body-limits.ts'
import { foldHeaderName, type HeaderKind, kindOfHeader } from '../../auth/header-kinds.ts'
import { methods } from '../../auth/http-methods.ts'
import { defaultOwnPaths, ownPathProblem } from '../../auth/own-paths.ts'
import { type Brand, brandProblems, resolveBrand } from '../../auth/pages/theme.ts'
import { type RateLimitsByPath, rateLimitProblems } from '../../auth/path-rate-limits.ts'
import { type AuthExtension, extensionProblems } from '../../auth/policy-auth-options.ts'
import { lifetimeProblems, type SessionLifetimes } from '../../auth/session-lifetimes.ts'
import { isRecord } from '../../db/type-guards.ts'
import { mailShape } from './policy-mail.ts'
import { upstreamsShape } from './policy-upstreams.ts'

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
    z
      .string()
      .regex(/^[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*$/, 'must be the whole name of one header, of letters, digits and "-"'),
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
export function basePathIn(exported: unknown): string {
  const auth = isRecord(exported) ? exported['auth'] : undefined
  const path = isRecord(auth) ? auth['basePath'] : undefined
  return typeof path === 'string' && ownPathProblem(path) === undefined ? path : defaultOwnPaths.betterAuth
}

/** The shape of a policy file in `folder` with BetterAuth below `basePath`. The paths of files in what it reads are absolute. */
export function policyShape(folder: string, basePath: string) {
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
      session: judgedBy<SessionLifetimes>(lifetimeProblems).prefault({}),
      mail: mailShape(folder).exactOptional()
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

/** The sentences of what a schema finds wrong: the place, a colon, and what is wrong. */
export function sentencesOf(issue: z.core.$ZodIssue): string[] {
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
