/** One segment of a path template. */
interface Segment {
  /** Spells the segment with this value for each of its parameters. */
  readonly fill: (value: string) => string
  readonly pattern: RegExp
  /** It is one parameter that takes several segments: `{name:path}`. */
  readonly several: boolean
}

/** A path template of FastAPI's, such as `/users/{id}/files/{file:path}`. */
export interface PathTemplate {
  /** Whether a path, decoded, is an instance. */
  matches(path: string): boolean
  /**
   * Instances, decoded, at least one for every rule that decides any instance of the template: one of them spells out
   * whatever that rule spells out, and holds values that no rule names everywhere else. With `deeper`, those that exist
   * only if its last parameter takes several segments, which FastAPI's document does not tell.
   */
  instances(rules: readonly string[], deeper?: boolean): string[]
}

export function pathTemplate(template: string): PathTemplate {
  const slash = template.length > 1 && template.endsWith('/')
  const segments = segmentsOf(template).map(
    (text): Segment => ({
      fill: (value) => text.replaceAll(/\{[^{}]*\}/g, () => value),
      pattern: patternOf(text),
      several: /^\{[^{}]*:path\}$/.test(text)
    })
  )
  const last = segments.at(-1)
  const pattern = patternOf(template)

  return {
    matches: (path) => pattern.test(path),
    instances(rules, deeper = false) {
      // Only a last segment that is one parameter of a single segment can take several instead.
      if (deeper && (slash || last === undefined || last.several || last.fill('') !== '')) return []
      const named = rules.map((rule) => segmentsOf(rule.replace(/\/\*$/, '')))
      const unnamed = valueOutside(named.flat())
      // One segment more than the longest rule has; more of them would meet the same rules.
      const counts = Array.from({ length: Math.max(0, ...named.map((rule) => rule.length)) + 2 }, (_, count) => count)
      let shapes: Segment[][] = [[]]
      for (const segment of segments) {
        const lengths = deeper && segment === last ? counts.slice(2) : segment.several ? counts : [1]
        shapes = shapes.flatMap((shape) => lengths.map((length) => [...shape, ...Array<Segment>(length).fill(segment)]))
      }
      const found = new Set<string>()
      for (const shape of shapes) {
        // An empty `{name:path}` at the end leaves the slash before it.
        const end = slash || (last?.several === true && !shape.includes(last)) ? '/' : ''
        for (const rule of [[], ...named]) {
          const met = meet(shape, rule, unnamed)
          if (met === undefined) continue
          const instance = met.length === 0 ? '/' : `/${met.join('/')}${end}`
          // An empty `{name:path}` before the end would make "//", which is refused.
          if (deeper || pattern.test(instance)) found.add(instance)
        }
      }
      return [...found]
    }
  }
}

/** The most general instance of the template that the rule's pattern covers too; undefined where there is none. */
function meet(shape: readonly Segment[], rule: readonly string[], unnamed: string): string[] | undefined {
  if (rule.length > shape.length) return undefined
  const instance = shape.map(({ fill, pattern }, index) => {
    const wanted = rule[index]
    if (wanted === undefined || wanted.startsWith(':')) return fill(unnamed)
    return pattern.test(wanted) ? wanted : undefined
  })
  return instance.every((segment) => segment !== undefined) ? instance : undefined
}

function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '')
}

function patternOf(template: string): RegExp {
  // Split by its parameters, which are kept as every second part.
  const parts = template.split(/(\{[^{}]*\})/).map((part, index) => {
    if (index % 2 === 0) return part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
    return part.endsWith(':path}') ? '.*' : '[^/]+'
  })
  return new RegExp(`^${parts.join('')}$`, 'u')
}

function valueOutside(literals: readonly string[]): string {
  let value = 'any-value'
  while (literals.some((literal) => literal.includes(value))) value += '-'
  return value
}
