import fc from 'fast-check'
import type { RouteRule } from '../../proxy/route-rules.ts'
import { filling } from './rules.ts'

/** One request as it goes over the wire. */
export interface WireRequest {
  readonly method: string
  /** Latin-1: one character a byte. */
  readonly target: string
  readonly upgrade: boolean
}

const insertions = [
  ...[
    '/',
    '//',
    '/./',
    '/../',
    '/..;/',
    '/.;x/',
    '/..',
    '/.',
    ';',
    ';x=1',
    '..',
    '.',
    '...',
    '\\',
    '/..\\',
    '*',
    '+',
    '&'
  ],
  ...['%2e', '%2E%2e', '.%2e', '%252e', '%2f', '%2F', '%252f', '%5c', '%5C', '%3b', '%23', '#', '?', '%3f', '%25', '%'],
  ...[
    '%2',
    '%zz',
    '%u002e',
    '%ff',
    '%c0%af',
    '%c0%ae',
    '%ed%a0%80',
    '%c3%a9',
    '%e2%80%a8',
    '%ef%bb%bf',
    '%f0%9f%98%80'
  ],
  ...['%00', '%01', '%09', '%0a', '%0d', '%0d%0a', '%1f', '%7f', '%c2%80', '%c2%85', '%c2%a0', '%20', ' ', '\t', '\0'],
  ...['\xe9', '\xc3\xa9', '\x7f', '\x01', '\r', '\n', ':', '%3A', '@', '%40', '$', '%24', '%2B', '%2c', ',', '=', '%3d']
]

const queries = [
  '',
  '',
  '',
  '?',
  '?x=/public/',
  '?x=/../a',
  '?//',
  '?a?b',
  '?%2f..%2f',
  '?a#b',
  '?%zz',
  '?\xe9',
  '?/admin/*'
]

function often(what: string, times: number): string[] {
  return Array.from({ length: times }, () => what)
}

const change = fc.record({
  kind: fc.constantFrom(
    ...often('encode', 8),
    ...often('insert', 3),
    ...often('case', 2),
    ...often('slash', 3),
    'delete',
    'form',
    'double'
  ),
  at: fc.noBias(fc.nat()),
  what: fc.noBias(fc.nat())
})

/** How one request is made out of one of the rules; realised by `spell`. */
export const request = fc.record({
  rule: fc.nat(),
  fillings: fc.array(filling, { minLength: 1, maxLength: 3 }),
  /** Percent-encode nothing that need not be, everything reserved, or every single byte. */
  style: fc.constantFrom('sparing', 'sparing', 'strict', 'all'),
  changes: fc.array(change, { maxLength: 3, size: 'small' }),
  query: fc.constantFrom(...queries),
  method: fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS') },
    { weight: 1, arbitrary: fc.constantFrom('get', 'PROPFIND', 'TRACE', 'CONNECT', 'REPORT', 'QUERY') }
  ),
  upgrade: fc.integer({ min: 0, max: 3 }).map((dice) => dice === 0),
  own: fc.integer({ min: 0, max: 80 })
})

// Over about 8,192 bytes of a handshake's first line uvicorn answers nothing at all, whoever asks.
const uvicornsLongestHandshake = 8_000

const slashedFillings = fc.array(
  fc.constantFrom('7', 'a', 'b', 'admin', '7/admin', 'a/b', 'b/a/', 'files/a', 'a;x', '%2F', '100%', '..x'),
  { minLength: 1, maxLength: 3 }
)

/** A request as `request` makes it, which is full of encoded slashes. Most are about the first two rules. */
export const slashedRequest = fc
  .record({
    recipe: request,
    rule: fc.constantFrom(0, 0, 1, undefined),
    changed: fc.integer({ min: 0, max: 3 }).map((dice) => dice === 0),
    fillings: slashedFillings,
    slashes: fc.array(fc.tuple(fc.noBias(fc.nat()), fc.nat()), { minLength: 1, maxLength: 2 })
  })
  .map(({ recipe, rule, changed, fillings, slashes }) => ({
    ...recipe,
    rule: rule ?? recipe.rule,
    fillings,
    style: 'sparing' as const,
    changes: [
      ...slashes.map(([at, what]) => ({ kind: 'encode slash', at, what })),
      ...(changed ? recipe.changes.slice(0, 1) : [])
    ]
  }))

export type Recipe = typeof request extends fc.Arbitrary<infer T> ? T : never

// Where the gateway answers itself, so that FastAPI must never be asked.
const ownPaths = ['/api/auth/ok', '/api/auth', '/auth/sign-in', '/auth', '/api/auth/a/b']

/** The bytes of the request that a recipe makes of these rules. */
export function spell(recipe: Recipe, rules: readonly RouteRule[]): WireRequest {
  const { fillings, style } = recipe
  const path = ownPaths[recipe.own] ?? rules[recipe.rule % Math.max(rules.length, 1)]?.path ?? '/'
  let next = 0
  const fill = () => fillings[next++ % fillings.length] ?? ''
  const filled = path
    .split('/')
    .map((segment) => (segment.startsWith(':') || segment === '*' ? fill() : segment))
    .join('/')
  let target = encode(filled, style)
  for (const { kind, at, what } of recipe.changes) target = changed(target, kind, at, what)
  target += recipe.query
  const upgrade = recipe.upgrade && target.length < uvicornsLongestHandshake
  return { method: upgrade ? 'GET' : recipe.method, target, upgrade }
}

function encode(text: string, style: Recipe['style']): string {
  let encoded = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    const char = String.fromCharCode(byte)
    const raw =
      char === '/' || (style === 'sparing' ? /[\w.~!$&'()*+,;=:@-]/ : style === 'strict' ? /[\w.~-]/ : /^$/).test(char)
    encoded += raw ? char : percent(byte, style !== 'all')
  }
  return encoded
}

function percent(byte: number, upper: boolean): string {
  const hex = byte.toString(16).padStart(2, '0')
  return `%${upper ? hex.toUpperCase() : hex}`
}

function changed(target: string, kind: string, at: number, what: number): string {
  const place = at % (target.length + 1)
  const char = target[place] ?? ''
  const before = target.slice(0, place)
  const after = target.slice(place + 1)
  switch (kind) {
    case 'encode':
      // An encoded slash is always refused, and paths are full of slashes.
      return char === '' || (char === '/' && what % 8 !== 0)
        ? target
        : before + percent(char.charCodeAt(0), what % 2 === 0) + after
    case 'insert':
      return before + (insertions[what % insertions.length] ?? '') + target.slice(place)
    case 'case':
      return before + (char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase()) + after
    case 'delete':
      return before + after
    case 'slash':
      return target.endsWith('/') ? target.slice(0, -1) : `${target}/`
    case 'encode slash': {
      const slashes = [...target.matchAll(/(?!^)\//g)]
      const { index } = slashes[at % slashes.length] ?? {}
      return index === undefined
        ? target
        : target.slice(0, index) + (what % 2 === 0 ? '%2F' : '%2f') + target.slice(index + 1)
    }
    case 'double':
      return target.replaceAll('%', '%25')
    default:
      return otherForm(target, what)
  }
}

function otherForm(path: string, what: number): string {
  const forms = [
    `http://localhost${path}`,
    `http://localhost@evil.example${path}`,
    `//localhost${path}`,
    'localhost:80',
    '*',
    path.slice(1),
    `?${path}`,
    `HTTP://x${path}`
  ]
  return forms[what % forms.length] ?? path
}

/**
 * Whether the contract names no reason to refuse this target, told without the gateway's own means; undefined where it
 * leaves that open: bytes outside ASCII in a query string.
 */
export function hasOneReading(target: string): boolean | undefined {
  // Spaces around a target belong to the request line (RFC 9112, section 3), and nobody passes them on.
  const [path = '', ...query] = target.replaceAll(/^ +| +$/g, '').split('?')
  if (!/^\/[!-~]*$/.test(path) || /[\0-\x20\x7f]/.test(query.join('?')) || target.includes('#')) return false
  if (/%2f|%5c|\\|\/\//i.test(path)) return false
  try {
    const decoded = decodeURIComponent(path)
    if (/[\u0000-\u001f\u007f-\u009f]/.test(decoded) || /\/\.\.?(?:;|\/|$)/.test(decoded)) return false
  } catch {
    return false
  }
  return /[^!-~]/.test(query.join('?')) ? undefined : true
}
