import type { AST } from 'toml-eslint-parser'

/** A value of a TOML file with the line that it begins on. */
export type TomlNode = TomlTable | TomlList | TomlLeaf

export interface TomlTable {
  readonly kind: 'table'
  readonly line: number
  /** By the keys as they are written, in their order. */
  readonly entries: Map<string, TomlEntry>
}

/** A value with the line of its key. */
export interface TomlEntry {
  readonly line: number
  readonly node: TomlNode
}

export interface TomlList {
  readonly kind: 'list'
  readonly line: number
  readonly items: TomlNode[]
}

export interface TomlLeaf {
  readonly kind: 'leaf'
  readonly line: number
  readonly value: string | number | boolean | Date
  /** Why the value cannot be used, whatever it is for. */
  readonly problem?: string | undefined
}

/** What became of a TOML text: its top table, or the line at which it is no TOML and a sentence that repeats no value. */
export type TomlReading =
  | { readonly root: TomlTable; readonly problem?: undefined }
  | { readonly root?: undefined; readonly problem: { readonly line: number; readonly sentence: string } }

// The parser takes time that grows faster than its input, and a policy has some hundred lines.
const longestText = 1_048_576
const deepest = 32

// The parser ends a comment at a CR, where neither TOML nor an editor does: what follows would hold, and look as if it did not.
const forbiddenCharacter = /\r(?!\n)|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/
const forbiddenSentence = 'is not TOML: it has a control character here, or a carriage return that ends no line'

/** Reads a TOML file's bytes. A byte order mark at the beginning is none of the text. */
export async function readTomlBytes(bytes: Uint8Array): Promise<TomlReading> {
  if (bytes.length > longestText) return wrong(1, `is longer than ${longestText} bytes`)
  const text = decode(bytes)
  return text === undefined ? wrong(1, 'is not UTF-8') : readTomlText(text)
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Reads a TOML text. */
export async function readTomlText(text: string): Promise<TomlReading> {
  if (text.length > longestText) return wrong(1, `is longer than ${longestText} bytes`)
  const forbidden = text.search(forbiddenCharacter)
  if (forbidden >= 0) return wrong(text.slice(0, forbidden).split('\n').length, forbiddenSentence)
  // Loaded only where there is a TOML file.
  const { parseTOML, ParseError } = await import('toml-eslint-parser')
  try {
    return { root: tableOf(parseTOML(text)) }
  } catch (error) {
    if (!(error instanceof ParseError)) return wrong(1, 'cannot be read as TOML: it is nested too deep')
    return wrong(error.lineNumber, `is not TOML: ${wordsOf(error.message)}`)
  }
}

/** The table that these keys lead to; undefined where there is none. */
export function tableAt(root: TomlTable, keys: readonly string[]): TomlTable | undefined {
  let node: TomlNode | undefined = root
  for (const key of keys) node = node?.kind === 'table' ? node.entries.get(key)?.node : undefined
  return node?.kind === 'table' ? node : undefined
}

function wrong(line: number, sentence: string): TomlReading {
  return { problem: { line, sentence } }
}

/** The parser's own words, none of which quote the file but for a code point, which may be part of a secret. */
function wordsOf(message: string): string {
  const words = message.startsWith('Invalid code point') ? 'Invalid code point' : message
  return words.charAt(0).toLowerCase() + words.slice(1)
}

function tableOf({ body: [top] }: AST.TOMLProgram): TomlTable {
  const root = newTable(1)
  for (const part of top.body) {
    if (part.type === 'TOMLKeyValue') addEntry(root, part)
    else {
      const table = tableFor(root, part.resolvedKey, part.loc.start.line)
      for (const entry of part.body) addEntry(table, entry)
    }
  }
  return root
}

function newTable(line: number): TomlTable {
  return { kind: 'table', line, entries: new Map() }
}

/** The table that a header such as `[a.b]` or `[[a.b]]` begins; a number in its key is the place in a list. */
function tableFor(root: TomlTable, key: readonly (string | number)[], line: number): TomlTable {
  let node: TomlNode = root
  for (const [index, part] of key.entries()) {
    const isList = typeof key[index + 1] === 'number'
    node = childOf(node, part, () => (isList ? { kind: 'list', line, items: [] } : newTable(line)), line)
  }
  if (node.kind !== 'table') throw new TypeError('a header that begins no table')
  return node
}

function childOf(parent: TomlNode, key: string | number, make: () => TomlNode, line: number): TomlNode {
  if (parent.kind === 'list' && typeof key === 'number') {
    const found = parent.items[key] ?? make()
    parent.items[key] = found
    return found
  }
  if (parent.kind !== 'table') throw new TypeError('a header that leads through a value')
  const found = parent.entries.get(String(key))
  if (found !== undefined) return found.node
  const node = make()
  parent.entries.set(String(key), { line, node })
  return node
}

function addEntry(table: TomlTable, { key, value, loc }: AST.TOMLKeyValue, depth = 0): void {
  const { line } = loc.start
  const names = key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value))
  const last = names.pop() ?? ''
  const parent = tableFor(table, names, line)
  parent.entries.set(last, { line, node: nodeOf(value, depth) })
}

function nodeOf(content: AST.TOMLContentNode, depth = 0): TomlNode {
  if (depth > deepest) throw new RangeError('nested too deep')
  const { line } = content.loc.start
  if (content.type === 'TOMLArray')
    return { kind: 'list', line, items: content.elements.map((element) => nodeOf(element, depth + 1)) }
  if (content.type === 'TOMLValue') return leafOf(content, line)
  const table = newTable(line)
  for (const entry of content.body) addEntry(table, entry, depth + 1)
  return table
}

function leafOf(content: AST.TOMLValue, line: number): TomlLeaf {
  const leaf = (value: TomlLeaf['value'], problem?: string): TomlLeaf => ({ kind: 'leaf', line, value, problem })
  switch (content.kind) {
    case 'integer':
      return leaf(content.value, Number.isSafeInteger(content.value) ? undefined : 'is too large a number')
    case 'float':
      return leaf(content.value, Number.isFinite(content.value) ? undefined : 'must be a number')
    case 'local-date-time':
    case 'local-date':
    case 'local-time':
      return leaf(content.value, 'must say its offset, as in 2030-01-02T03:04:05Z: no moment is meant without one')
    default:
      return leaf(content.value)
  }
}
