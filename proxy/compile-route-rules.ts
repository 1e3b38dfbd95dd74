import { type Method, methods } from '../auth/http-methods.ts'
import { defaultRule, type RouteRule } from './route-rules.ts'
import { requirementsInWords } from './rule-requirements.ts'

/** A rule as the router knows it: one pattern, the methods for which this rule is the most specific of that pattern. */
export interface PolicyRoute {
  readonly url: string
  readonly methods: readonly Method[]
  readonly rule: RouteRule
}

/**
 * The router options that the compiled routes rely on. The limit on a parameter's length lies beyond Node's own limit on a
 * request's head, so that no parameter is too long to match, and `/Docs` is not `/docs`.
 */
export const routerOptions = { maxParamLength: 65_536, caseSensitive: true } as const

interface Claim {
  readonly rule: RouteRule
  readonly rank: number
}

interface Shape {
  /** The pattern without its parameters' names: two rules that match the same paths have the same key. */
  readonly key: string
  readonly url: string
  readonly rank: number
}

// Ranks: how precisely a rule names a request that another rule with the same pattern names too.
const byExactPath = 4
const byMethod = 2
const byImpliedMethod = 1

/**
 * Compiles rules, in whatever order, into routes for the router, with the default rule for all that they leave open.
 * `reserved` are the paths that the gateway answers itself. `problems` has one sentence for every rule that cannot be used.
 */
export function compileRules(
  rules: readonly RouteRule[],
  reserved: readonly string[] = []
): { routes: PolicyRoute[]; problems: string[] } {
  const problems: string[] = []
  const claims = new Map<string, Map<Method, Claim>>()
  const urls = new Map<string, string>()

  for (const rule of rules) {
    const problem =
      pathProblem(rule.path, reserved) ??
      requirementProblem(rule) ??
      keepOpenProblem(rule) ??
      encodedSlashesProblem(rule)
    if (problem !== null) {
      problems.push(`routes: ${JSON.stringify(rule.path)} ${problem}`)
      continue
    }
    for (const shape of shapesOf(rule.path)) claim(rule, shape)
  }
  for (const shape of shapesOf(defaultRule.path)) claim(defaultRule, { ...shape, rank: -1 })

  function claim(rule: RouteRule, { key, url, rank }: Shape): void {
    const byName = claims.get(key) ?? new Map<Method, Claim>()
    claims.set(key, byName)
    if (!urls.has(key)) urls.set(key, url)
    for (const [method, methodRank] of methodsOf(rule)) {
      const mine = { rule, rank: rank + methodRank }
      const other = byName.get(method)
      if (other === undefined || other.rank < mine.rank) byName.set(method, mine)
      else if (other.rank === mine.rank && sayingOf(other.rule) !== sayingOf(rule)) {
        const sentence =
          `routes: ${JSON.stringify(other.rule.path)} and ${JSON.stringify(rule.path)} say different things about ` +
          `the same requests (${sayingOf(other.rule)}; ${sayingOf(rule)}): remove one, or give them different methods`
        if (!problems.includes(sentence)) problems.push(sentence)
      }
    }
  }

  const routes: PolicyRoute[] = []
  for (const [key, byName] of claims) {
    for (const rule of new Set([...byName.values()].map((entry) => entry.rule))) {
      const named = methods.filter((method) => byName.get(method)?.rule === rule)
      routes.push({ url: urls.get(key) ?? key, methods: named, rule })
    }
  }
  return { routes, problems }
}

function sayingOf(rule: RouteRule): string {
  const saying = [
    rule.access,
    ...requirementsInWords(rule),
    ...(rule.keepOpen === true ? ['kept open'] : []),
    ...(rule.encodedSlashes === true ? ['encoded slashes'] : [])
  ].join(', ')
  return rule.upstream === undefined ? saying : `${saying} on ${rule.upstream}`
}

function requirementProblem(rule: RouteRule): string | null {
  if (rule.access === 'session' || requirementsInWords(rule).length === 0) return null
  return `asks for more than a session (${requirementsInWords(rule).join(', ')}), which only access "session" can`
}

function keepOpenProblem({ access, keepOpen }: RouteRule): string | null {
  if (keepOpen !== true || access === 'session' || access === 'optional') return null
  return `says keepOpen, which only access "session" or "optional" can: no session is looked up here`
}

function encodedSlashesProblem({ path, encodedSlashes }: RouteRule): string | null {
  if (encodedSlashes !== true || path.endsWith('/*')) return null
  return `says encodedSlashes, which only a path that ends in "/*" can: elsewhere a slash always leads to another rule`
}

function methodsOf(rule: RouteRule): Map<Method, number> {
  if (rule.methods === undefined) return new Map(methods.map((method) => [method, 0]))
  const ranks = new Map<Method, number>(rule.methods.map((method) => [method, byMethod]))
  if (ranks.has('GET') && !ranks.has('HEAD')) ranks.set('HEAD', byImpliedMethod)
  return ranks
}

// '/x' covers '/x/' too, because FastAPI redirects one to the other; '/x/*' covers '/x'.
function shapesOf(path: string): Shape[] {
  if (path === '/') return [{ key: '/', url: '/', rank: byExactPath }]
  const wild = path.endsWith('/*')
  const segments = (wild ? path.slice(1, -2) : path.slice(1)).split('/').filter((segment) => segment !== '')
  const key = segments.map((segment) => (isParameter(segment) ? '/:' : `/${segment}`)).join('')
  // `[^/]+` and not the router's default pattern, which matches an empty segment, and not `.+`, which does not match U+2028.
  const url = segments
    .map((segment, index) => (isParameter(segment) ? `/:p${index}([^/]+)` : `/${segment.replaceAll(':', '::')}`))
    .join('')
  if (!wild) return [key, `${key}/`].map((k, i) => ({ key: k, url: i === 0 ? url : `${url}/`, rank: byExactPath }))
  return [
    { key: key === '' ? '/' : key, url: url === '' ? '/' : url, rank: 0 },
    { key: `${key}/*`, url: `${url}/*`, rank: byExactPath }
  ]
}

function isParameter(segment: string): boolean {
  return segment.startsWith(':')
}

function pathProblem(path: string, reserved: readonly string[]): string | null {
  if (!path.startsWith('/')) return 'must start with "/"'
  if (path === '/' || path === '/*') return null
  const literal = path.endsWith('/*') ? path.slice(0, -2) : path
  if (literal.endsWith('/')) return 'must not end with "/": a rule for "/x" covers "/x/" too'
  for (const segment of literal.slice(1).split('/')) {
    const problem = segmentProblem(segment)
    if (problem !== null) return problem
  }
  const owner = reserved.find((prefix) => literal === prefix || literal.startsWith(`${prefix}/`))
  return owner === undefined
    ? null
    : `is under "${owner}", which the gateway answers itself; the policy can move the pages and BetterAuth`
}

function segmentProblem(segment: string): string | null {
  if (segment === '') return 'has an empty segment ("//")'
  if (isParameter(segment)) {
    return /^:[A-Za-z_]\w*$/.test(segment)
      ? null
      : `has the segment "${segment}": a parameter is a ":" and a name, and takes a whole segment`
  }
  if (/[%?#]/.test(segment)) return 'must be written decoded, and no literal may contain "%", "?" or "#"'
  if (/[*]/.test(segment)) return 'may have "*" only as a final "/*"'
  if (/[\\\u0000-\u001f\u007f-\u009f]/.test(segment)) return 'contains a backslash or a control character'
  if (/[()]|:[A-Za-z_]\w*[?+]$/.test(segment)) return 'looks like a pattern: regular expressions are not supported'
  if (/^\.\.?(;|$)/.test(segment)) return 'has a dot segment'
  return null
}
