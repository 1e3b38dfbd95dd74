import { z } from 'zod'
import { defaultOwnPaths } from '../../auth/own-paths.ts'
import { snakeCase } from '../../db/snake-case.ts'
import { plainAuth } from './plain-auth-options.ts'
import { count, mapOf, number, optionsIn, secret, text } from './plain-options.ts'
import { policyShape } from './policy-shape.ts'

/**
 * What a TOML file may have in one place, as JSON Schema draft 7 has it, with what is said of it here besides:
 * `secret` (the variable that holds it is named instead), `variable` (may be), `names` (a list of names will do as well),
 * `hidden` (known, so that it can be refused with a reason) and `anything` (a date too).
 */
export interface TomlShape {
  readonly type?: string
  readonly properties?: Readonly<Record<string, TomlShape>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | TomlShape
  readonly items?: TomlShape
  readonly anyOf?: readonly TomlShape[]
  readonly secret?: boolean
  readonly variable?: boolean
  readonly holdsPassword?: boolean
  readonly names?: boolean
  readonly hidden?: boolean
  readonly anything?: boolean
  readonly [keyword: string]: unknown
}

const window = z.strictObject({
  requests: count.exactOptional(),
  window: count.exactOptional(),
  failures: z.strictObject({ perAddress: count.exactOptional(), inAll: count.exactOptional() }).exactOptional()
})

// The sections that functions judge have no shape that could be shown; here it is, and those functions judge all the same.
// `satisfies` and test/src/toml-schema.test.ts hold the two against each other.
const sections = {
  auth: plainAuth,
  brand: z.strictObject({
    name: text.exactOptional(),
    logo: text.exactOptional(),
    accent: z.union([text, z.strictObject({ light: text, dark: text })]).exactOptional()
  }),
  upstreams: mapOf(
    z.union([
      text,
      z.strictObject({
        url: text.meta({ variable: true }),
        timeout: number.exactOptional(),
        caFile: text.exactOptional(),
        token: secret.exactOptional()
      }),
      z.strictObject({ directory: text })
    ])
  ),
  bodies: mapOf(count),
  rateLimits: mapOf(window),
  session: optionsIn({
    expiresIn: count,
    updateAge: count,
    idle: count,
    absolute: count,
    perUser: count
  })
} as const

let shape: TomlShape | undefined

/** The shape of a TOML file, with names as TypeScript has them. */
export function tomlShape(): TomlShape {
  const plain = policyShape('.', defaultOwnPaths.betterAuth).extend(optional(sections))
  shape ??= z.toJSONSchema(plain, { io: 'input', target: 'draft-07', unrepresentable: 'any' }) as TomlShape // the interface names what is looked at
  return shape
}

function optional(shapes: Readonly<Record<string, z.ZodType>>): Record<string, z.ZodType> {
  return Object.fromEntries(Object.entries(shapes).map(([key, type]) => [key, type.exactOptional()]))
}

/** The names under which an option may be written in a TOML file, the one that is shown first. */
export function spellingsOf(name: string, isPlugin = false): string[] {
  const snake = snakeCase(name).replaceAll('o_auth', 'oauth')
  return [...new Set(isPlugin ? [snake.replaceAll('_', '-'), snake, name] : [snake, name])]
}

/** What stands for an option in a TOML file: the option itself, the name of the variable that holds it, or either. */
export function keysOf(
  name: string,
  { secret, variable }: TomlShape
): { readonly name: string; readonly isVariable: boolean }[] {
  const own = { name, isVariable: false }
  const named = { name: `${name}Env`, isVariable: true }
  return secret === true ? [named] : variable === true ? [own, named] : [own]
}

/** The JSON Schema by which editors complete and check a TOML file, in both spellings; that in camelCase is not offered. */
export function editorSchema(): Record<string, unknown> {
  const definitions = new Map<string, string>()
  const { properties, ...schema } = published(tomlShape(), 'policy', definitions)
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'The policy of a Gatehouse gateway',
    description: 'gatehouse.toml, and [tool.gatehouse] in pyproject.toml',
    ...schema,
    properties,
    definitions: Object.fromEntries([...definitions].map(([text, name]) => [name, JSON.parse(text)]))
  }
}

const notes = new Set(['secret', 'variable', 'holdsPassword', 'names', 'hidden', 'anything', '$schema', 'default'])
// Longer ones are written once, and referred to.
const longest = 160

/** Texts of definitions with their names. */
type Definitions = Map<string, string>

function published(of: TomlShape, at: string, definitions: Definitions): Record<string, unknown> {
  const { properties, required = [], additionalProperties, items, anyOf, ...others } = of
  const schema: Record<string, unknown> = Object.fromEntries(
    Object.entries(others).filter(([keyword]) => !notes.has(keyword))
  )
  if (items !== undefined) schema['items'] = published(items, at, definitions)
  if (anyOf !== undefined) schema['anyOf'] = anyOf.map((one) => published(one, at, definitions))
  if (additionalProperties !== undefined)
    schema['additionalProperties'] =
      typeof additionalProperties === 'boolean'
        ? additionalProperties
        : published(additionalProperties, at, definitions)
  if (properties !== undefined) Object.assign(schema, publishedProperties(properties, required, of, definitions))
  if (of.names !== true) return schema
  const names = Object.keys(properties ?? {}).filter((name) => properties?.[name]?.hidden !== true)
  const list = { type: 'array', items: { enum: names.flatMap((name) => spellingsOf(name, true)) }, uniqueItems: true }
  return { anyOf: [list, schema] }
}

/** The schema itself, or a reference to the definition that it is now, or has been before. */
function shared(schema: Record<string, unknown>, name: string, definitions: Definitions): Record<string, unknown> {
  const text = JSON.stringify(schema)
  if (text.length <= longest) return schema
  const taken = new Set(definitions.values())
  let free = name
  for (let n = 2; taken.has(free); n++) free = `${name}-${n}`
  const defined = definitions.get(text) ?? free
  definitions.set(text, defined)
  return { $ref: `#/definitions/${defined}` }
}

function publishedProperties(
  properties: Readonly<Record<string, TomlShape>>,
  required: readonly string[],
  { names }: TomlShape,
  definitions: Definitions
) {
  const written: Record<string, unknown> = {}
  const allOf: object[] = []
  for (const [name, shape] of Object.entries(properties)) {
    if (shape.hidden === true) continue
    const spelled = keysOf(name, shape).flatMap(({ name: key, isVariable }) => {
      const [shown = key, ...others] = spellingsOf(key, names === true)
      const schema = shared(isVariable ? variableName : published(shape, shown, definitions), shown, definitions)
      written[shown] = schema
      // Beside a reference nothing else is looked at (JSON Schema draft 7, section 8.3).
      for (const other of others)
        written[other] = '$ref' in schema ? { allOf: [schema], ...notOffered } : { ...schema, ...notOffered }
      return [shown, ...others]
    })
    // One of them at most: two spellings of one option are an error.
    for (const [i, one] of spelled.entries())
      for (const other of spelled.slice(i + 1)) allOf.push({ not: { required: [one, other] } })
    if (required.includes(name)) allOf.push({ anyOf: spelled.map((one) => ({ required: [one] })) })
  }
  return { properties: written, ...(allOf.length > 0 && { allOf }) }
}

const notOffered = { 'x-taplo': { hidden: true } }
const variableName = {
  type: 'string',
  pattern: '^[A-Z][A-Z0-9_]*$',
  description: 'The name of the environment variable that holds it; NAME_FILE may name a file instead.'
}
