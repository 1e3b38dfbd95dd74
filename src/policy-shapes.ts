import { z } from 'zod'
import type { PrincipalHeader } from '../proxy/request-headers.ts'
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
