const slash = 0x2f
const percent = 0x25
const question = 0x3f
const dot = 0x2e
const semicolon = 0x3b
// What no decoded path contains.
const insideSegment = 0x00

// The characters that a path may carry without percent-encoding: RFC 3986, section 3.3 (pchar), and the slash.
const plain = new Uint8Array(256)
for (const char of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/") {
  plain[char.charCodeAt(0)] = 1
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The one reading of a request target (RFC 9112, section 3.2): its path, percent-decoded exactly once as FastAPI does
 * and spelled in one canonical way for the router, with the query string untouched behind it. Null when the path could
 * be read in two ways, or the target is not in origin-form; such a request is refused and never forwarded. What has an
 * encoded slash has two readings: {@link readEncodedSlashes}.
 */
export function canonicalTarget(target: string): string | null {
  if (target.charCodeAt(0) !== slash) return null
  let end = target.length
  let untouched = true
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i)
    if (code === question) {
      end = i
      break
    }
    if (plain[code] !== 1) untouched = false
  }
  if (target.includes('#', end)) return null
  const path = end === target.length ? target : target.slice(0, end)
  if (untouched) return hasUnclearSegment(path) ? null : target
  const decoded = decodePath(path)
  if (decoded === null || hasUnclearSegment(decoded)) return null
  return spell(decoded) + target.slice(end)
}

/** The two readings of a target whose path has encoded slashes (`%2F`), each spelled in the canonical way. */
export interface SlashReadings {
  /** They part segments, as for a server that decodes a path before it looks for the route. */
  readonly parting: string
  /** They are part of their segments. They are spelled `%00`, which no other path and no rule can contain. */
  readonly within: string
}

/** Null where the path has no encoded slash, or could be read in further ways. */
export function readEncodedSlashes(target: string): SlashReadings | null {
  const path = pathOf(target)
  const query = target.slice(path.length)
  if (target.charCodeAt(0) !== slash || query.includes('#') || !hasEncodedSlash(target)) return null
  const parting = decodePath(path, slash)
  const within = decodePath(path, insideSegment)
  if (parting === null || within === null || hasUnclearSegment(parting)) return null
  const readings = { parting: spell(parting) + query, within: spell(within) + query }
  return isEncodedTwice(readings.parting) ? null : readings
}

/** Whether the path of a target has an encoded slash. */
export function hasEncodedSlash(target: string): boolean {
  return /%2f/i.test(pathOf(target))
}

/**
 * Whether a slash, a backslash, a dot or a `%` is still percent-encoded in a canonical target's path, so that a server
 * which decodes a second time would find another path.
 */
export function isEncodedTwice(canonicalTarget: string): boolean {
  return canonicalTarget.includes('%25') && /%25(?:2[ef5]|5c)/i.test(pathOf(canonicalTarget))
}

function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

// `encodedSlash` is the character that an encoded slash is read as; without it there is no such path.
function decodePath(path: string, encodedSlash?: number): string | null {
  const bytes = Buffer.allocUnsafe(path.length)
  let length = 0
  for (let i = 0; i < path.length; i++) {
    let code = path.charCodeAt(i)
    if (code === percent) {
      const high = hexDigit(path.charCodeAt(i + 1))
      const low = hexDigit(path.charCodeAt(i + 2))
      if (high === -1 || low === -1) return null
      code = high * 16 + low
      i += 2
      if (code === slash) {
        if (encodedSlash === undefined) return null
        bytes[length++] = encodedSlash
        continue
      }
    } else if (code > 0x7e || code === 0x23) {
      // Raw bytes outside ASCII have no defined reading, and a raw '#' ends the path for some and not for others.
      return null
    }
    if (code < 0x20 || code === 0x7f || code === 0x5c) return null
    bytes[length++] = code
  }
  try {
    const decoded = utf8.decode(bytes.subarray(0, length))
    return /[\u0080-\u009f]/.test(decoded) ? null : decoded
  } catch {
    return null
  }
}

// Dot segments (RFC 3986, section 5.2.4), also with a parameter behind them, and empty segments but the last.
function hasUnclearSegment(path: string): boolean {
  for (let start = 1; start < path.length; start++) {
    const first = path.charCodeAt(start)
    if (first === slash) return true
    if (first === dot && isDotSegment(path, start)) return true
    const next = path.indexOf('/', start)
    if (next === -1) return false
    start = next
  }
  return false
}

function isDotSegment(path: string, start: number): boolean {
  const after = path.charCodeAt(start + 1) === dot ? start + 2 : start + 1
  const code = path.charCodeAt(after)
  return after === path.length || code === slash || code === semicolon
}

function spell(decoded: string): string {
  let spelled = ''
  for (const char of decoded) {
    const code = char.charCodeAt(0)
    spelled += code < 0x80 && plain[code] === 1 ? char : encodeURIComponent(char)
  }
  return spelled
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
