import { parseArgs } from 'node:util'

/** What the command line asked for. */
export interface Arguments {
  /** Names of sections; all of them when none was named. */
  readonly sections: readonly string[]
  readonly quick: boolean
  /** Whether to make the pages in `docs/` anew. */
  readonly write: boolean
  readonly help: boolean
}

/** Reads the command line. Throws a sentence for what it does not understand. */
export function readArguments(args: readonly string[], known: readonly string[]): Arguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  const sections = positionals.flatMap((text) => text.split(/[|,]/))
  const unknown = sections.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new Error(`no such section: ${unknown.join(', ')}. There are ${known.join(', ')}.`)
  if (values.write && values.quick) throw new Error('--quick is for looking: its figures are not written down.')
  return { ...values, sections: sections.length > 0 ? sections : known }
}
