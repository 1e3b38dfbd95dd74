import { type FileHandle, open } from 'node:fs/promises'
import { codeOf } from '../../db/error-code.ts'
import { isRecord } from '../../db/type-guards.ts'
import { ConfigError } from '../config/environment.ts'

export type UserFileFormat = 'csv' | 'jsonl'

/** One user as the file has it, or what keeps it from being read, in words that repeat nothing of it. */
export interface UserEntry {
  /** Where it begins, counted from 1. */
  readonly line: number
  readonly read: { readonly fields: Readonly<Record<string, unknown>> } | { readonly problem: string }
}

/** Bytes of one user. Nothing longer is kept, so that a file of any size is read in bounded memory. */
const maxEntryBytes = 65_536

const [quote, lineFeed] = [0x22, 0x0a]

/**
 * Reads a file of users one after another: JSON lines, or CSV (RFC 4180) whose first line names the columns, all of which
 * have to be among `columns`. Throws a ConfigError when it cannot be read, is not CSV, or has other columns.
 */
export async function* readUserFile(
  path: string,
  format: UserFileFormat,
  columns: readonly string[]
): AsyncGenerator<UserEntry> {
  let header: readonly string[] | undefined
  for await (const { line, bytes } of entriesOf(chunksOf(path), format === 'csv')) {
    const text = bytes === 'too long' ? bytes : decode(bytes, line === 1)
    if (text === '') continue
    if (format === 'jsonl') yield { line, read: text === undefined || bytes === 'too long' ? unreadable : jsonOf(text) }
    else {
      // Where one entry ends is known by its quotes alone: after a faulty one, a user's own text could pass for a user.
      const values = text === undefined || bytes === 'too long' ? undefined : valuesOf(text)
      if (values === undefined || (header !== undefined && values.length !== header.length))
        throw new ConfigError([`FILE: line ${line} is not CSV like the line of its columns; nothing after it was read`])
      if (header === undefined) header = headerOf(values, columns)
      else yield { line, read: { fields: Object.fromEntries(header.map((name, at) => [name, values[at]])) } }
    }
  }
}

const unreadable = { problem: 'is not a JSON object in UTF-8, or longer than 64 KiB' } as const

/** The bytes of a file, piece by piece in one buffer: each piece is gone with the next. */
async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(maxEntryBytes)
  let file: FileHandle | undefined
  try {
    file = await open(path)
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } catch (error) {
    throw new ConfigError([`FILE: cannot be read (${codeOf(error) ?? 'unknown error'})`])
  } finally {
    await file?.close()
  }
}

/** The lines of a file without their ends. In CSV a line that ends inside quotes goes on in the next. */
async function* entriesOf(
  chunks: AsyncIterable<Buffer>,
  csv: boolean
): AsyncGenerator<{ line: number; bytes: Buffer | 'too long' }> {
  let parts: Buffer[] = []
  let size = 0
  let line = 1
  let begun = 1
  let quoted = false
  const keep = (part: Buffer) => {
    size += part.length
    if (size <= maxEntryBytes) parts.push(Buffer.from(part))
    else parts = []
  }
  const entry = () => {
    const bytes = size > maxEntryBytes ? ('too long' as const) : Buffer.concat(parts)
    const done = { line: begun, bytes }
    parts = []
    size = 0
    begun = line
    return done
  }
  for await (const chunk of chunks) {
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      if (csv && chunk[at] === quote) quoted = !quoted
      if (chunk[at] !== lineFeed) continue
      line++
      if (quoted) continue
      keep(chunk.subarray(from, at))
      yield entry()
      from = at + 1
    }
    keep(chunk.subarray(from))
    // A quote that is never closed would take the rest of the file with it.
    if (csv && size > maxEntryBytes) break
  }
  if (size > 0) yield entry()
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of an entry, undefined where it is not UTF-8. A byte order mark is allowed at the beginning of the file. */
function decode(bytes: Buffer, first: boolean): string | undefined {
  try {
    const text = utf8.decode(bytes)
    const end = text.endsWith('\r') ? text.length - 1 : text.length
    return text.slice(first && text.startsWith('\uFEFF') ? 1 : 0, end)
  } catch {
    return undefined
  }
}

function jsonOf(text: string): UserEntry['read'] {
  try {
    const fields: unknown = JSON.parse(text)
    return isRecord(fields) ? { fields } : unreadable
  } catch {
    return unreadable
  }
}

/** The fields of one entry of CSV; undefined where its quotes are wrong. */
function valuesOf(text: string): string[] | undefined {
  const values: string[] = []
  for (let at = 0; ; at++) {
    const end = text[at] === '"' ? endOfQuoted(text, at) : endOfBare(text, at)
    if (end === undefined) return undefined
    const raw = text.slice(at, end)
    values.push(raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"') : raw)
    if (end === text.length) return values
    if (text[end] !== ',') return undefined
    at = end
  }
}

function endOfQuoted(text: string, start: number): number | undefined {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 2))
    if (text[at + 1] !== '"') return at + 1
  return undefined
}

function endOfBare(text: string, start: number): number | undefined {
  const comma = text.indexOf(',', start)
  const end = comma === -1 ? text.length : comma
  return text.slice(start, end).includes('"') ? undefined : end
}

// A file without a line of columns begins with a user, so that no name in it may be repeated.
function headerOf(names: readonly string[], columns: readonly string[]): readonly string[] {
  const unknown = names.findIndex((name, at) => !columns.includes(name) || names.indexOf(name) !== at)
  if (unknown === -1) return names
  const sentence = `FILE: the first line has to name the columns, each once; number ${unknown + 1} is none of ${columns.join(', ')}`
  throw new ConfigError([sentence])
}
