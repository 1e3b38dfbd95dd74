import { isRecord } from '../db/type-guards.ts'

/** Bytes that the bodies of requests may have, by path below BetterAuth's own; a final `/*` stands for all paths below one. */
export type BodyLimitsByPath = Readonly<Record<string, number>>

/** The bytes that the body of a request to BetterAuth or to the built-in pages may have by default: 64 KiB. */
export const defaultAuthBodyBytes = 65_536

const largestLimit = 104_857_600
// The sso plugin's endpoints for SAML responses: XML with signatures, certificates and groups in it.
const samlPaths = ['/sso/saml2/callback/*', '/sso/saml2/sp/acs/*']
const samlResponseBytes = 262_144

/**
 * What is wrong with `bodies` of the policy file, one sentence each; nothing when it is a {@link BodyLimitsByPath}.
 * `basePath` is the path that BetterAuth is below.
 */
export function bodyLimitProblems(bodies: unknown, basePath: string): string[] {
  if (!isRecord(bodies)) return [`bodies: must be an object of paths below ${basePath} and bytes`]
  return Object.entries(bodies).flatMap(([path, bytes]) => {
    const place = `bodies[${JSON.stringify(path)}]`
    const problems: string[] = []
    if (!isPathBelow(basePath, path))
      problems.push(
        `${place}: must be a path below ${basePath}, such as ${basePath}/stripe/webhook or ${basePath}/stripe/*; MAX_AUTH_BODY_BYTES is for all of them`
      )
    if (!Number.isInteger(bytes) || Number(bytes) < 1 || Number(bytes) > largestLimit)
      problems.push(`${place}: must be a whole number of bytes from 1 to ${largestLimit}`)
    return problems
  })
}

/** The limits of those paths below `basePath` that have limits of their own: for SAML responses, and those of the policy file. */
export function bodyLimitsByPath(basePath: string, general: number, bodies: BodyLimitsByPath): BodyLimitsByPath {
  const bytes = Math.max(general, samlResponseBytes)
  return { ...Object.fromEntries(samlPaths.map((path) => [basePath + path, bytes])), ...bodies }
}

/**
 * Whether this is a literal path below `basePath`, or one with a final `/*`, in characters that stand for themselves:
 * requests are routed by their canonical path, in which others are encoded.
 */
export function isPathBelow(basePath: string, path: string): boolean {
  if (!path.startsWith(`${basePath}/`)) return false
  const segments = path.slice(basePath.length + 1).split('/')
  if (segments.at(-1) === '*') segments.pop()
  const isLiteral = (segment: string) => /^[\w.~-]+$/.test(segment) && segment !== '.' && segment !== '..'
  return segments.length > 0 && segments.every(isLiteral)
}

const [quote, backslash, openBracket, closeBracket, openBrace, closeBrace] = Buffer.from('"\\[]{}')

/**
 * Whether a JSON text nests arrays and objects more than `levels` deep, in one pass over its bytes that ends where the
 * answer is known. A text that is not JSON is judged as far as a parser would get with it.
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
