import { defaultRule, type RouteRule } from '../../proxy/route-rules.ts'
import { requirementsInWords } from '../../proxy/rule-requirements.ts'
import { reservedPaths, type Settings } from '../config/load-settings.ts'
import { ownPathsOf } from '../policy-file.ts'

/** One line of the table that says who may reach what. */
export interface RouteLine {
  path: string
  methods: readonly string[] | 'any'
  /** `gateway`: the gateway answers by itself. `refused`: the gateway refuses the request, whoever sends it. */
  access: RouteRule['access'] | 'gateway' | 'refused'
  /** What the rule asks for beyond a session, in words; left out where that is nothing. */
  needs?: readonly string[]
  /** The upstream that the rule names. */
  upstream?: string
  /** Responses outlast the session that asked for them. */
  keepOpen?: true
  /** An encoded slash passes, where it leads to no other rule. */
  encodedSlashes?: true
  /** The line of the default rule, which holds for every request that no rule names. */
  default?: true
}

const descriptions: Readonly<Record<RouteLine['access'], string>> = {
  gateway: 'answered by the gateway itself',
  public: 'everybody; nobody is told who asks',
  optional: 'everybody; who is signed in is known',
  session: 'whoever is signed in',
  deny: 'nobody: 404',
  refused: 'nobody: refused'
}

/** Who may reach what: what the gateway answers itself, the policy file's rules, and the default that closes the rest. */
export function routeLines({ config, policy }: Pick<Settings, 'config' | 'policy'>): RouteLine[] {
  const own = reservedPaths(config, ownPathsOf(policy)).map((path): RouteLine => {
    const health = path === config.publicHealthPath
    return { path: health ? path : `${path}/*`, methods: health ? ['GET'] : 'any', access: 'gateway' }
  })
  const rules = policy.routes.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  const closed = policy.routes.some(({ path, methods }) => path === defaultRule.path && methods === undefined)
  return [...own, ...rules.map(lineOf), ...(closed ? [] : [{ ...lineOf(defaultRule), default: true as const }])]
}

/** The rule as a line of that table. */
export function lineOf(rule: RouteRule): RouteLine {
  const { path, methods, access, upstream, keepOpen, encodedSlashes } = rule
  const needs = requirementsInWords(rule)
  return {
    path,
    methods: methods ?? 'any',
    access,
    ...(needs.length === 0 ? {} : { needs }),
    ...(upstream === undefined ? {} : { upstream }),
    ...(keepOpen === true ? { keepOpen } : {}),
    ...(encodedSlashes === true ? { encodedSlashes } : {})
  }
}

/** The text, followed by what the line asks for beyond a session. */
export function withNeeds(text: string, { needs }: RouteLine): string {
  return needs === undefined ? text : `${text} (${needs.join(', ')})`
}

/** The lines as a table for a terminal: access, methods, path, upstream where one is named, and what all that means. */
export function routeTable(lines: readonly RouteLine[]): string[] {
  const elsewhere = lines.some(({ upstream }) => upstream !== undefined)
  const rows = lines.map((line) => {
    const { path, methods, access, upstream, keepOpen, encodedSlashes, default: rest } = line
    const to = upstream === undefined ? '' : `-> ${upstream}`
    const lasting = keepOpen === true ? '; responses outlast the session' : ''
    const slashes = encodedSlashes === true ? '; %2F passes' : ''
    const meaning = `${withNeeds(descriptions[access], line)}${lasting}${slashes}${rest === true ? ', for all that no rule names' : ''}`
    return [access, methods === 'any' ? 'any' : methods.join(','), path, ...(elsewhere ? [to] : []), meaning]
  })
  return alignColumns(rows)
}

/** Rows of as many cells each as lines, every column as wide as its widest cell. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  )
}
