/** One segment of a path template: a literal, or a pattern of what its parameters let in. */
interface Segment {
  readonly literal: string | undefined
  /** Spells the segment with this value for each of its parameters. */
  readonly fill: (value: string) => string
  readonly matches: (text: string) => boolean
  /** Its one parameter takes several segments: `{name:path}`. */
  readonly several: boolean
}

/** A path template of FastAPI's, such as `/users/{id}/files/{file:path}`. */
export interface PathTemplate {
  /** Whether a path, decoded, is an instance. */
  matches(path: string): boolean
  /**
   * Instances, decoded, one at least for every rule that decides any instance of the template: whatever a rule spells
   * out is spelled out in one of them, and every other place holds a value that no rule names. With `deeper`, those that
   * exist only if its last parameter takes several segments, which FastAPI's document does not tell.
   */
  instances(rules: readonly string[], deeper?: boolean): string[]
}

export function pathTemplate(template: string): PathTemplate {
  const slash = template.length > 1 && template.endsWith('/')
  const segments = segmentsOf(template).map(segmentOf)
  const pattern = new RegExp(
    `^${template
      .split(/(\{[^{}]*\})/)
      .map(patternOf)
      .join('')}$`,
    'u'
  )

  return {
    matches: (path) => pattern.test(path),
    instances(rules, deeper = false) {
      const named = rules.map((rule) => segmentsOf(rule.replace(/\/\*$/, '')))
      const depth = Math.max(0, ...named.map((rule) => rule.length)) + 1
      const unnamed = valueOutside(new Set(named.flat()))
      const last = segments.at(-1)
      const expandable = deeper && !slash && last?.literal === undefined ? last : undefined
      if (deeper && (expandable === undefined || expandable.several || expandable.fill('') !== '')) return []
      const lengths = Array.from({ length: depth + 1 }, (_, count) => count)
      const shapes = segments.reduce<readonly (readonly Segment[])[]>(
        (before, segment) => {
          const counts = segment === expandable ? lengths.slice(2) : segment.several ? lengths : [1]
          return before.flatMap((shape) =>
            counts.map((count) => [...shape, ...Array.from({ length: count }, () => segment)])
          )
        },
        [[]]
      )
      const found = new Set<string>()
      for (const shape of shapes) {
        // An empty `{name:path}` at the end leaves the slash before it.
        const end = slash || (last?.several === true && !shape.includes(last)) ? '/' : ''
        for (const rule of [[], ...named]) {
          const met = meet(shape, rule, unnamed)
          const instance = met === undefined || met.length === 0 ? met && '/' : `/${met.join('/')}${end}`
          // An empty `{name:path}` before the end would make "//", which is refused.
          if (instance !== undefined && (deeper || pattern.test(instance))) found.add(instance)
        }
      }
      return [...found]
    }
  }
}

/** The most general instance of the template that the rule's pattern covers too; undefined where there is none. */
function meet(shape: readonly Segment[], rule: readonly string[], unnamed: string): string[] | undefined {
  if (rule.length > shape.length) return undefined
  const instance: string[] = []
  for (const [index, segment] of shape.entries()) {
    const wanted = rule[index]
    if (wanted === undefined || wanted.startsWith(':')) instance.push(segment.literal ?? segment.fill(unnamed))
    else if (segment.matches(wanted)) instance.push(wanted)
    else return undefined
  }
  return instance
}

function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '')
}

function segmentOf(text: string): Segment {
  const parts = text.split(/(\{[^{}]*\})/)
  if (parts.length === 1) return { literal: text, fill: () => text, matches: (other) => other === text, several: false }
  const pattern = new RegExp(`^${parts.map(patternOf).join('')}$`, 'u')
  return {
    literal: undefined,
    fill: (value) => parts.map((part) => (isParameter(part) ? value : part)).join(''),
    matches: (other) => pattern.test(other),
    several: /^\{[^{}]*:path\}$/.test(text)
  }
}

function patternOf(part: string): string {
  if (isParameter(part)) return part.endsWith(':path}') ? '.*' : '[^/]+'
  return part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}

function isParameter(part: string): boolean {
  return /^\{[^{}]*\}$/.test(part)
}

function valueOutside(literals: ReadonlySet<string>): string {
  let value = 'any-value'
  while ([...literals].some((literal) => literal.includes(value))) value += '-'
  return value
}
