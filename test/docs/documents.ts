import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The top of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** A page of the documentation; `path` starts at the top of the repository. */
export interface Page {
  readonly path: string
  readonly text: string
}

/** A fenced block of a page. */
export interface Block {
  readonly page: string
  readonly language: string
  readonly text: string
}

/** One page. Throws when it does not exist. */
export function pageOf(path: string): Page {
  return { path, text: readFileSync(join(root, path), 'utf8') }
}

/** Every page: the ones at the top, those in docs/, those of the examples. */
export const pages: readonly Page[] = [
  'README.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'examples'))
    .map((name) => `examples/${name}/README.md`)
    .filter((path) => existsSync(join(root, path))),
  'python/fastapi-gatehouse/README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
].map(pageOf)

/** The fenced blocks of a page, in their order. */
export function blocksOf({ path, text }: Page): Block[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', body = '']) => ({
    page: path,
    language,
    text: body
  }))
}

/** The `NAME=value` lines of a block, as a file of variables has them. */
export function variablesIn(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/^([A-Z][A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value])
  )
}

/** The only block of a page in which this stands. Throws when there is none, or more than one. */
export function blockWith(path: string, marker: string): string {
  const [found, ...more] = blocksOf(pageOf(path)).filter(({ text }) => text.includes(marker))
  if (found === undefined || more.length > 0) throw new Error(`${path}: not one block with ${marker}`)
  return found.text
}

/** A page without its fenced blocks. */
export function proseOf({ text }: Page): string {
  return text.replace(/^```.*?^```$/gms, '')
}

/** The rows of every table of a page, their cells trimmed; head and rule left out. */
export function rowsOf({ text }: Page): string[][] {
  const lines = text.split('\n')
  return lines
    .filter((line, i) => line.startsWith('|') && !isRule(line) && !isRule(lines[i + 1] ?? ''))
    .map((line) =>
      line
        .slice(1, line.lastIndexOf('|'))
        .split('|')
        .map((cell) => cell.trim())
    )
}

function isRule(line: string): boolean {
  return /^\|[ :|-]+\|$/.test(line)
}
