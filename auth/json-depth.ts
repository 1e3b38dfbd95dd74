const quote = 0x22
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/**
 * Whether a JSON text has arrays and objects inside each other more than `levels` deep: one pass over its bytes, which
 * ends where that is clear. What is not JSON is judged as far as a parser would get with it.
 */
export function nestsDeeper(text: Uint8Array, levels: number): boolean {
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const byte = text[i]
    if (inString) {
      if (byte === backslash) i++
      else if (byte === quote) inString = false
    } else if (byte === quote) inString = true
    else if (byte === openBracket || byte === openBrace) {
      depth++
      if (depth > levels) return true
    } else if (byte === closeBracket || byte === closeBrace) depth--
  }
  return false
}
