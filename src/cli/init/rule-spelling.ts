import type { RouteRule } from '../../../proxy/route-rules.ts'

/** What a policy file is written in. */
export type PolicyLanguage = 'toml' | 'typescript'

/** A rule as a line of the list of rules, with a comma at its end. */
export function spellRule(rule: RouteRule, language: PolicyLanguage): string {
  const { path, access, ...rest } = rule
  const entries = Object.entries({ path, access, ...rest }).filter(([, value]) => value !== undefined)
  const pairs = entries.map(([key, value]) =>
    language === 'toml' ? `${snakeCase(key)} = ${spell(value, language)}` : `${key}: ${spell(value, language)}`
  )
  return `{ ${pairs.join(', ')} },`
}

/** The sentence as a comment, on one line whatever it holds. */
export function spellComment(sentence: string, language: PolicyLanguage): string {
  return `${language === 'toml' ? '#' : '//'} ${escapeUnseen(sentence, language)}`
}

/** The text with an escape of the language for every character that is not seen or ends a line. */
export function escapeUnseen(text: string, language: PolicyLanguage): string {
  return text.toWellFormed().replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const point = (character.codePointAt(0) ?? 0).toString(16)
    if (point.length <= 4) return `\\u${point.padStart(4, '0')}`
    return language === 'toml' ? `\\U${point.padStart(8, '0')}` : `\\u{${point}}`
  })
}

function spell(value: RouteRule[keyof RouteRule], language: PolicyLanguage): string {
  if (typeof value === 'string') return quote(value, language)
  if (Array.isArray(value)) return `[${value.map((one: string) => quote(one, language)).join(', ')}]`
  return String(value)
}

function quote(text: string, language: PolicyLanguage): string {
  const mark = language === 'toml' ? '"' : "'"
  return mark + escapeUnseen(text.replaceAll('\\', '\\\\').replaceAll(mark, `\\${mark}`), language) + mark
}

function snakeCase(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
