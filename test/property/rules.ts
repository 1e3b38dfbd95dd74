import fc from 'fast-check'
import { methods } from '../../auth/http-methods.ts'
import { defaultOwnPaths } from '../../auth/own-paths.ts'
import { compileRules } from '../../proxy/compile-route-rules.ts'
import type { Access, RouteRule } from '../../proxy/route-rules.ts'
import { reservedPaths } from '../../src/config/load-settings.ts'

// Reserved characters, what needs encoding, what looks like something else, and enough twins that rules overlap.
const literals = [
  ...['a', 'b', 'A', 'me', 'admin', 'public', '@me', 'jobs:cancel', 'b+c', '$x', 'x&y', 'x,y', 'k=v', 'a;b=1', ';'],
  ...[
    '$&+,:;=@',
    "!'~",
    'a b',
    ' ',
    'v1.2',
    '...',
    '..x',
    '.a',
    'é',
    'e\u0301',
    '日本',
    '😀',
    '\u2028',
    '\u00a0',
    '^',
    '|'
  ],
  ...['"', '<a>', '`', '{', '[x]', 'a-b', 'a_b', '-', '_', '0', 'api', 'auth', 'x:', 'x'.repeat(120)]
]

const odd = fc.constantFrom(...'ab$&+,:;=@.!~\'"é日-_ ^|[]<>')

const literal = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...literals) },
  { weight: 1, arbitrary: fc.array(odd, { minLength: 1, maxLength: 5 }).map((chars) => chars.join('')) }
)

const segment = fc.oneof(
  { weight: 5, arbitrary: literal },
  { weight: 3, arbitrary: fc.constantFrom(':id', ':name', ':_x') }
)

const accesses: readonly Access[] = ['public', 'optional', 'session', 'deny']

const rule = fc
  .record({
    segments: fc.array(segment, { maxLength: 3, size: 'max' }),
    wild: fc.boolean(),
    access: fc.constantFrom(...accesses),
    named: fc.option(fc.subarray([...methods], { minLength: 1, maxLength: 3 }), { freq: 3 }),
    encodedSlashes: fc.boolean()
  })
  .map(({ segments, wild, access, named, encodedSlashes }): RouteRule => {
    const path = `/${segments.join('/')}`
    return {
      path: wild ? `${path === '/' ? '' : path}/*` : path,
      access,
      ...(named === null ? {} : { methods: named }),
      ...(wild && encodedSlashes ? { encodedSlashes } : {})
    }
  })

const reserved = reservedPaths({ pages: true, publicHealthPath: undefined }, defaultOwnPaths)

/** Rules that may stand together. What the gateway would refuse as a configuration is left out. */
export const ruleSet = fc.array(rule, { minLength: 1, maxLength: 24, size: 'max' }).map(compatible)

// Few names, so that a slash more or less in a path leads from one rule to another.
const nestedRule = fc
  .record({
    segments: fc.array(fc.constantFrom('files', 'files', 'a', 'b', 'admin', ':id', ':id'), {
      maxLength: 3,
      size: 'max'
    }),
    wild: fc.integer({ min: 0, max: 2 }).map((dice) => dice > 0),
    access: fc.constantFrom(...accesses),
    encodedSlashes: fc.integer({ min: 0, max: 3 }).map((dice) => dice > 0)
  })
  .map(({ segments, wild, access, encodedSlashes }): RouteRule => {
    const path = `/${segments.join('/')}`
    return wild
      ? { path: `${path === '/' ? '' : path}/*`, access, ...(encodedSlashes ? { encodedSlashes } : {}) }
      : { path, access }
  })

/** Rules that lie in each other, many of which take encoded slashes; `first` is one of them. */
export function nestedRuleSet(first: readonly RouteRule[]) {
  return fc
    .array(nestedRule, { minLength: 1, maxLength: 12, size: 'max' })
    .map((rules) => compatible([...first, ...rules]))
}

function compatible(rules: readonly RouteRule[]): RouteRule[] {
  const kept: RouteRule[] = []
  for (const next of rules) {
    if (compileRules([...kept, next], reserved).problems.length === 0) kept.push(next)
  }
  return kept
}

/** What goes where a rule has a parameter or a `/*`. */
export const filling = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...literals) },
  { weight: 2, arbitrary: fc.array(odd, { maxLength: 6 }).map((chars) => chars.join('')) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1, 99, 100, 101, 5_000).map((length) => 'y'.repeat(length)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('é'.repeat(101), '%41', '%2f', 'a/b', 'a?b', 'a#b', '..', '\\', '\u0000', '\n')
  }
)
