import { readFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import type { BetterAuthPlugin } from 'better-auth'
import { codeOf } from '../../db/error-code.ts'
import { isRecord } from '../../db/type-guards.ts'
import { plainAuth } from './plain-auth-options.ts'
import { sentencesOf } from './policy-shape.ts'
import { readTomlBytes, type TomlNode, type TomlTable, tableAt } from './toml-document.ts'
import { makePlugin } from './toml-plugins.ts'
import { keysOf, spellingsOf, type TomlShape, tomlShape } from './toml-schema.ts'
import { secretVariables } from './variables.ts'

type Env = Readonly<Record<string, string | undefined>>

/** Where a value was written. Children are by their names as TypeScript has them, or by their places in a list. */
interface Place {
  readonly line: number
  readonly written: string
  readonly children: Map<string, Place>
}

/**
 * Reads the policy of a `gatehouse.toml`, or of `[tool.gatehouse]` in a `pyproject.toml`, into what a TypeScript file would
 * have exported, with plugins made and secrets taken from `env`, or from files that it names relative to `cwd`. Problems are told with the file's line, and repeat no value.
 */
export async function readTomlPolicy(path: string, { env, cwd }: { readonly env: Env; readonly cwd: string }) {
  const bytes = readBytes(path)
  if (typeof bytes === 'string') {
    const told = (sentence: string) => ({ line: 0, text: `${path}: ${sentence}` })
    return { exported: {}, problems: [bytes], told }
  }
  const { root: top, problem } = await readTomlBytes(bytes)
  if (top === undefined) {
    const { line } = problem
    const told = (sentence: string) => ({ line, text: `${path}:${line}: ${sentence}` })
    return { exported: {}, problems: [problem.sentence], told }
  }
  const table = basename(path) === 'pyproject.toml' ? tableAt(top, ['tool', 'gatehouse']) : top
  const reader = new Reader(env, cwd)
  const root: Place = { line: table?.line ?? 1, written: '', children: new Map() }
  if (table === undefined) reader.problems.push('has no [tool.gatehouse]')
  const read = table === undefined ? {} : reader.readTable(table, [tomlShape()], root, '')
  const exported = { ...read, ...(isRecord(read['auth']) && { auth: await readAuth(read['auth'], reader) }) }
  return {
    exported,
    problems: reader.problems,
    told(sentence: string) {
      const { place, shown } = locate(sentence, root, read)
      return { line: place.line, text: `${path}:${place.line}: ${shown}` }
    }
  }
}

/** What is in a file, or a sentence on why it cannot be read. */
function readBytes(path: string): Buffer | string {
  try {
    return readFileSync(path)
  } catch (error) {
    return `cannot be read (${codeOf(error) ?? 'unknown error'})`
  }
}

/** `auth` with its plugins made. What it says is judged as a TypeScript file's is by the compiler. */
async function readAuth(auth: Record<string, unknown>, reader: Reader): Promise<Record<string, unknown>> {
  const { plugins, ...others } = auth
  const { error } = plainAuth.safeParse(auth)
  const wrong = (error?.issues ?? []).flatMap((issue) => sentencesOf({ ...issue, path: ['auth', ...issue.path] }))
  const known = new Set(reader.problems.map(placeOf))
  const fresh = wrong.filter((sentence) => !known.has(placeOf(sentence)))
  reader.problems.push(...fresh)
  if (!isRecord(plugins)) return others
  const made: BetterAuthPlugin[] = []
  for (const [name, options] of Object.entries(plugins)) {
    const at = `auth.plugins.${name}`
    // One that is told to be wrong is made without its options: what other sections need of it is judged all the same.
    const isWrong =
      wrong.some((sentence) => sentence.startsWith(at)) || reader.problems.some((one) => one.startsWith(at))
    try {
      const plugin = await makePlugin(name, isWrong || !isRecord(options) ? {} : options)
      if (plugin !== undefined) made.push(plugin)
    } catch {
      if (!isWrong) reader.problems.push(`${at}: BetterAuth does not accept these options`)
    }
  }
  return { ...others, plugins: made }
}

function placeOf(sentence: string): string {
  return sentence.split(': ', 1)[0] ?? ''
}

/** Reads TOML into values under the names that TypeScript has for them, and notes where each of them was written. */
class Reader {
  readonly problems: string[] = []
  readonly #env: Env
  readonly #cwd: string

  constructor(env: Env, cwd: string) {
    this.#env = env
    this.#cwd = cwd
  }

  readTable(table: TomlTable, shapes: readonly TomlShape[], place: Place, at: string): Record<string, unknown> {
    const value: Record<string, unknown> = {}
    const names = knownNames(shapes)
    for (const [written, { line, node }] of table.entries) {
      const { name = written, shape, isVariable = false } = names.get(written) ?? { shape: valueShape(shapes) }
      const where = at === '' ? name : pathTo(at, name)
      const earlier = place.children.get(name)
      const child: Place = { line, written, children: new Map() }
      // Noted under its own spelling as well, so that it is found when it is the one that is wrong.
      if (earlier !== undefined) place.children.set(written, child)
      else place.children.set(name, child)
      if (written === '__proto__') this.problems.push(`${where}: is no name that can be used`)
      else if (earlier !== undefined)
        this.problems.push(
          `${at === '' ? written : pathTo(at, written)}: is also given as ${earlier.written}; keep one`
        )
      else if (isVariable) value[name] = this.#fromVariable(node, where)
      else if (shape?.secret === true) value[name] = this.#refuseSecret(where, name)
      else value[name] = this.#read(node, shape === undefined ? [] : [shape], child, where)
    }
    return value
  }

  #read(node: TomlNode, shapes: readonly TomlShape[], place: Place, at: string): unknown {
    const all = alternatives(shapes)
    if (node.kind === 'table') return this.readTable(node, all, place, at)
    if (node.kind === 'list') {
      if (all.some(({ names }) => names)) return this.#readNames(node.items, all, place, at)
      const items = all.flatMap(({ items }) => (items === undefined ? [] : [items]))
      return node.items.map((item, index) => {
        const child: Place = { line: item.line, written: String(index), children: new Map() }
        place.children.set(String(index), child)
        return this.#read(item, items, child, `${at}[${index}]`)
      })
    }
    const { value, problem } = node
    const misplaced = value instanceof Date && !all.some(({ anything }) => anything) ? 'must not be a date' : undefined
    const told = problem ?? misplaced ?? (typeof value === 'string' ? passwordIn(value, all) : undefined)
    if (told === undefined) return value
    this.problems.push(`${at}: ${told}`)
    return undefined
  }

  /** A list of names, which stands for a table of these names without options. */
  #readNames(
    items: readonly TomlNode[],
    shapes: readonly TomlShape[],
    place: Place,
    at: string
  ): Record<string, unknown> {
    const value: Record<string, unknown> = {}
    const names = knownNames(shapes)
    for (const [index, item] of items.entries()) {
      const written = item.kind === 'leaf' && typeof item.value === 'string' ? item.value : undefined
      const name = written === undefined ? undefined : (names.get(written)?.name ?? written)
      const child: Place = { line: item.line, written: written ?? String(index), children: new Map() }
      if (name === undefined || name === '__proto__')
        this.problems.push(`${at}[${index}]: must be the name of a plugin`)
      else if (Object.hasOwn(value, name)) this.problems.push(`${at}[${index}]: is there twice`)
      else value[name] = {}
      place.children.set(name === undefined || place.children.has(name) ? String(index) : name, child)
    }
    return value
  }

  /** The value of the variable that this names, or what is in the file that `NAME_FILE` names. */
  #fromVariable(node: TomlNode, at: string): string | undefined {
    const refuse = (why: string): undefined => {
      this.problems.push(`${at}: ${why}`)
    }
    const name = node.kind === 'leaf' ? node.value : undefined
    // What is written here by mistake may be the secret itself, so that it is not repeated.
    if (typeof name !== 'string' || !/^[A-Z][A-Z0-9_]{0,127}$/.test(name))
      return refuse('must be the name of an environment variable, in capitals')
    if (secretVariables.some((own) => name === own))
      return refuse("must not be one of the gateway's own secrets, which nobody else may learn")
    const { [name]: value = '', [`${name}_FILE`]: file = '' } = this.#env
    if (value !== '' && file !== '')
      return refuse('the variable is set, and so is the one with _FILE at its end; keep one')
    if (value !== '') return value
    if (file === '') return refuse('the variable that it names is not set')
    try {
      const read = readFileSync(resolve(this.#cwd, file), 'utf8').replace(/\r?\n$/, '')
      return read === '' ? refuse('the file that the variable names is empty') : read
    } catch (error) {
      return refuse(`the file that the variable names cannot be read (${codeOf(error) ?? 'unknown error'})`)
    }
  }

  #refuseSecret(at: string, name: string): undefined {
    const [key = name] = spellingsOf(`${name}Env`)
    this.problems.push(
      `${at}: is a secret, which does not belong in a file: name the variable that holds it, ${key} = "…"`
    )
  }
}

function passwordIn(value: string, shapes: readonly TomlShape[]): string | undefined {
  if (!shapes.some(({ holdsPassword }) => holdsPassword)) return undefined
  const hasPassword = (URL.parse(value)?.password ?? '') !== ''
  return hasPassword ? 'has a password, which does not belong in a file: name a variable, url_env = "…"' : undefined
}

function alternatives(shapes: readonly TomlShape[]): TomlShape[] {
  return shapes.flatMap((shape) => [shape, ...alternatives(shape.anyOf ?? [])])
}

interface KnownName {
  readonly name: string
  readonly shape: TomlShape | undefined
  readonly isVariable?: boolean
}

/** What may be written in a table of one of these shapes, by each of its spellings. Names of the operator's own are none. */
function knownNames(shapes: readonly TomlShape[]): Map<string, KnownName> {
  const known = new Map<string, KnownName>()
  for (const { properties = {}, names = false } of shapes)
    for (const [name, shape] of Object.entries(properties)) {
      // The plain name of a secret is known as well, so that it can be refused.
      for (const written of spellingsOf(name, names)) known.set(written, { name, shape })
      for (const key of keysOf(name, shape))
        if (key.isVariable)
          for (const written of spellingsOf(key.name)) known.set(written, { name, shape, isVariable: true })
    }
  return known
}

function valueShape(shapes: readonly TomlShape[]): TomlShape | undefined {
  const found = shapes.find(({ additionalProperties }) => typeof additionalProperties === 'object')
  return typeof found?.additionalProperties === 'object' ? found.additionalProperties : undefined
}

// As the sections' own sentences name places: paths stand in brackets.
function pathTo(at: string, name: string): string {
  return /^[\w-]+$/.test(name) ? `${at}.${name}` : `${at}[${JSON.stringify(name)}]`
}

/** Finds what a sentence is about by the place that it begins with, and shows that place as it is written in the file. */
function locate(
  sentence: string,
  root: Place,
  read: Readonly<Record<string, unknown>>
): { place: Place; shown: string } {
  let place = root
  let shown = ''
  let rest = sentence
  for (;;) {
    const next = longestChild(place, rest, shown === '')
    if (next === undefined) break
    shown += next.shown
    rest = rest.slice(next.length)
    place = next.place
  }
  return { place: ruleIn(sentence, root, read) ?? place, shown: shown + rest }
}

function longestChild(place: Place, rest: string, isFirst: boolean) {
  let longest: { place: Place; length: number; shown: string } | undefined
  for (const [name, child] of place.children) {
    for (const [token, shown] of [
      [isFirst ? name : `.${name}`, isFirst ? child.written : `.${child.written}`],
      [`[${name}]`, `[${child.written}]`],
      [`[${JSON.stringify(name)}]`, `[${JSON.stringify(child.written)}]`]
    ] as const)
      if (
        rest.startsWith(token) &&
        /^(?:[.[: ]|$)/.test(rest.slice(token.length)) &&
        token.length > (longest?.length ?? 0)
      )
        longest = { place: child, length: token.length, shown }
  }
  return longest
}

/** The place of the rule whose path a sentence about rules names first. */
function ruleIn(sentence: string, root: Place, { routes }: Readonly<Record<string, unknown>>): Place | undefined {
  const quoted = /^routes: ("(?:[^"\\]|\\.)*")/.exec(sentence)?.[1]
  if (quoted === undefined || !Array.isArray(routes)) return undefined
  const index = routes.findIndex((rule: unknown) => isRecord(rule) && JSON.stringify(rule['path']) === quoted)
  return root.children.get('routes')?.children.get(String(index))
}
