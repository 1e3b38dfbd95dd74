import { styleText } from 'node:util'

/** Whether to colour, as {@link https://no-color.org} has it. */
export function coloured(env: Record<string, string | undefined>): boolean {
  return (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
}

export type Colour = Parameters<typeof styleText>[0]
export type Paint = (colour: Colour, text: string) => string

/** Colours text, or with `colours` false leaves it as it is. */
export function createPaint(colours: boolean): Paint {
  return (colour, text) => (colours ? styleText(colour, text, { validateStream: false }) : text)
}

// Control characters (those from U+0080 to U+009F are escape sequences of one character), what changes the direction of
// writing or is not seen, halves of surrogate pairs, and what ends a line.
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/gu

/**
 * Text of somebody else's that a terminal shows and does nothing else with: a path or a name could hold an escape sequence
 * that clears the screen, writes over a line above, or types for whoever looks. At most `longest` characters.
 */
export function inert(text: string, longest = 400): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}…` : text
  return cut.replace(unprintable, spelledOut)
}

/**
 * The same for a whole line that a program of the user's own prints, which may be coloured and have tabs. No colour goes
 * on after it, and none hides what follows.
 */
export function inertLine(line: string): string {
  const parts = line.slice(0, longestLine).split(colourSequence)
  const kept = parts.map((part, index) =>
    index % 2 === 1 ? visibleColour(part) : part.replace(unprintable, (c) => (c === '\t' ? c : spelledOut(c)))
  )
  const isColoured = kept.some((part, index) => index % 2 === 1 && part !== '')
  return `${kept.join('')}${isColoured ? '\u001b[0m' : ''}`
}

/** The same for a line of JSON, whose strings keep their meaning. */
export function inertJson(line: string): string {
  return line.replace(unprintable, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join('')
  )
}

const longestLine = 16_384
const colourSequence = /(\u001b\[[0-9;]{0,32}m)/
// One of 256 colours, one by red, green and blue, or any other code. What would name a colour and does not is none.
const colourCode = /(?<=^|;)(?:[345]8;5;\d+|[345]8;2;\d+;\d+;\d+|\d*)(?=;|$)/g

/** The sequence without the code that hides text, 8; empty where nothing else was in it. */
function visibleColour(sequence: string): string {
  const codes = sequence.slice(2, -1).match(colourCode) ?? []
  const visible = codes.filter((code) => !/^0*(?:8|[345]8)$/.test(code))
  return visible.length === 0 ? '' : `\u001b[${visible.join(';')}m`
}

function spelledOut(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}
