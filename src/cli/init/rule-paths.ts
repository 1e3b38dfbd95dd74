import { compileRules } from '../../../proxy/compile-route-rules.ts'

/** The path of a rule for a path template of FastAPI's. */
export interface RulePath {
  readonly path: string
  /** The rule covers what the template covers; otherwise more, because no rule can say it as precisely. */
  readonly exact: boolean
}

/**
 * How a rule names what a template covers: `/users/{id}/files/{file:path}` is `/users/:id/files/*`. Segments that are only
 * in part a parameter, and literals that no rule may hold, become a parameter.
 */
export function rulePathOf(template: string): RulePath {
  const segments = template.split('/').filter((segment) => segment !== '')
  const path: string[] = []
  let exact = true
  for (const [index, segment] of segments.entries()) {
    if (segment.includes(':path}')) {
      const whole = /^\{[^{}]*\}$/.test(segment)
      return { path: `/${[...path, '*'].join('/')}`, exact: exact && whole && index === segments.length - 1 }
    }
    const [, parameter] = /^\{([^{}]*)\}$/.exec(segment) ?? []
    if (parameter !== undefined) path.push(/^[A-Za-z_]\w*$/.test(parameter) ? `:${parameter}` : `:p${index + 1}`)
    else if (isLiteral(segment)) path.push(segment)
    else {
      path.push(`:p${index + 1}`)
      exact = false
    }
  }
  return { path: `/${path.join('/')}`, exact }
}

/** The path with everything below its last parameter as well; undefined where it does not end in one. */
export function widened(path: string): string | undefined {
  return /\/:\w+$/.test(path) ? path.replace(/\/:\w+$/, '/*') : undefined
}

/** The path without its parameters' names: two rules that cover the same requests have the same. */
export function shapeOf(path: string): string {
  return path.replaceAll(/\/:\w+/g, '/:')
}

// Judged as a rule would be, in a place where "*" has no meaning.
function isLiteral(segment: string): boolean {
  if (/[{}]/.test(segment) || segment.startsWith(':')) return false
  return compileRules([{ path: `/${segment}/x`, access: 'session' }]).problems.length === 0
}
