import { z } from 'zod'
import { foldHeaderName, kindOfHeader } from '../auth/client-headers.ts'
import type { HeaderPolicy, PrincipalHeader } from '../proxy/request-headers.ts'
import { methods, type RouteRule } from '../proxy/route-policy.ts'

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
