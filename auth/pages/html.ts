/** What a template may hold. Everything that is no {@link Html} itself is escaped; nothing and `false` leave no trace. */
export type HtmlValue = Html | string | number | false | null | undefined | readonly HtmlValue[]

class Markup {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

/** A piece of HTML that is safe to send. The `html` tag alone can make one. */
export type Html = Markup

/**
 * A template that escapes whatever is put into it, for element content and for attributes in double quotes. There is no
 * way to put raw text in.
 */
export function html(literals: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = literals[0] ?? ''
  for (const [i, value] of values.entries()) text += textOf(value) + (literals[i + 1] ?? '')
  return new Markup(text)
}

function textOf(value: HtmlValue): string {
  if (value === undefined || value === null || value === false) return ''
  if (value instanceof Markup) return value.toString()
  if (typeof value === 'object') return value.map(textOf).join('')
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
