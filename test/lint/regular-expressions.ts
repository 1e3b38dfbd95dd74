import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join, relative, resolve } from 'node:path'
import { type Node, type Options, parse } from 'acorn'
import { simple } from 'acorn-walk'
import { checkSync } from 'recheck'

/** What is wrong with one regular expression. `place`: `file:line`. */
export interface Finding {
  readonly place: string
  readonly problem: string
}

/** A regular expression as it stands in the code, or what makes one out of a text. */
interface Expression {
  readonly line: number
  readonly source: string
  readonly flags: string
}

interface Found {
  readonly literals: readonly Expression[]
  /** Lines on which one is made of a text, which nobody can judge beforehand. */
  readonly made: readonly number[]
}

const syntax: Options = { ecmaVersion: 'latest', sourceType: 'module', locations: true }
const makers = new Set(['match', 'matchAll', 'search'])

function lineOf({ loc }: Node): number {
  return loc?.start.line ?? 0
}

function isText(node: Node | undefined): boolean {
  return (
    node?.type === 'TemplateLiteral' || (node?.type === 'Literal' && 'value' in node && typeof node.value === 'string')
  )
}

/** Every regular expression in a file of TypeScript or JavaScript. Throws SyntaxError. */
function findIn(code: string): Found {
  const literals: Expression[] = []
  const made: number[] = []
  const lookAtMaking = ({ callee }: { callee: Node }, node: Node) => {
    if (callee.type === 'Identifier' && 'name' in callee && callee.name === 'RegExp') made.push(lineOf(node))
  }
  // Types leave spaces behind, so that lines stay what they are.
  simple(parse(stripTypeScriptTypes(code), syntax), {
    Literal(node) {
      if (node.regex) literals.push({ line: lineOf(node), source: node.regex.pattern, flags: node.regex.flags })
    },
    NewExpression(node) {
      lookAtMaking(node, node)
    },
    CallExpression(node) {
      lookAtMaking(node, node)
      const { callee } = node
      if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return
      if (makers.has(callee.property.name) && isText(node.arguments[0])) made.push(lineOf(node))
    }
  })
  return { literals, made }
}

// Everywhere the same judge: its quicker ones need a binary for this machine, or a JVM.
process.env['RECHECK_SYNC_BACKEND'] = 'pure'
const judged = new Map<string, string | null>()

/** Why matching may cost more than linear time; null where it cannot. */
function problemOf({ source, flags }: Expression): string | null {
  const written = `/${source}/${flags}`
  const known = judged.get(written)
  if (known !== undefined) return known
  const verdict = checkSync(source, flags, { timeout: 20_000 })
  const problem =
    verdict.status === 'safe'
      ? null
      : verdict.status === 'vulnerable'
        ? `${written} costs ${verdict.complexity.summary} time, for instance for ${verdict.attack.pattern}`
        : `${written} cannot be judged (${verdict.error.kind})`
  judged.set(written, problem)
  return problem
}

/**
 * What is wrong with the regular expressions of one file: those whose time may grow faster than what they are held
 * against, those that cannot be judged, and, unless `mayMake`, those that are made of a text while the program runs.
 */
export function findingsIn(name: string, code: string, mayMake = false): Finding[] {
  const { literals, made } = findIn(code)
  const at = (line: number) => `${name}:${line}`
  return [
    ...literals.flatMap((literal) => {
      const problem = problemOf(literal)
      return problem === null ? [] : [{ place: at(literal.line), problem }]
    }),
    ...(mayMake ? [] : made).map((line) => ({
      place: at(line),
      problem: 'a regular expression is made of a text, so that nobody knows its cost: write a literal, or a loop'
    }))
  ]
}

const root = resolve(import.meta.dirname, '../..')
const rooms = ['src', 'proxy', 'auth', 'db']
// What the operator wrote, put together by a command that the operator runs. No client's text gets there.
const mayMake = new Set(['src/cli/path-template.ts'])

/** What is wrong with the regular expressions of the gateway. */
export function findingsInGateway(): Finding[] {
  return rooms
    .flatMap((room) =>
      readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map((file) => join(root, room, file))
    )
    .filter((file) => /\.(?:ts|js)$/.test(file))
    .flatMap((file) => {
      const name = relative(root, file)
      return findingsIn(name, readFileSync(file, 'utf8'), mayMake.has(name))
    })
}
