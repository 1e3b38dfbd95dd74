const longest = 2_048
// What some reader of URLs takes for a second slash, for the end of the path or for nothing at all.
const odd = /[\\\u0000-\u0020\u007f-\u009f]|%(?:[01][0-9a-f]|2f|5c|7f)/i
// The URL parser drops some of these wherever they stand.
const controls = /[\u0000-\u001f\u007f]/
const ownPages = /^\/auth(?:\/(?!account(?:[/?#]|$))|[?#]|$)/

/**
 * Where a person goes on to: path, query and fragment of this origin, or undefined when `value` is anything else. What
 * is longer than 2,048 bytes is cut to its path. The sign-in pages themselves are no place to return to.
 */
export function returnAddress(value: unknown, publicUrl: string): string | undefined {
  if (typeof value !== 'string' || !/^\/(?![/\\])/.test(value)) return undefined
  if (Buffer.byteLength(value) > longest) return pathAlone(value, publicUrl)
  if (!URL.canParse(value, publicUrl)) return undefined
  const url = new URL(value, publicUrl)
  const address = url.pathname + url.search + url.hash
  // Checked before and after: resolving `/.//evil.example` makes two slashes out of one.
  if (url.origin !== new URL(publicUrl).origin || !/^\/(?![/\\])/.test(address)) return undefined
  const [path = ''] = value.split(/[?#]/, 1)
  if (odd.test(path) || path.includes('//') || controls.test(value)) return undefined
  return ownPages.test(address) ? undefined : address
}

/** The sign-in page that leads back to this address, or the page alone where there is none to lead back to. */
export function signInAddress(next: string | undefined): string {
  return withNext('/auth/sign-in', next)
}

/** Where a mailed link to confirm an address leads, and from there to `next`: signed in or not, people are told. */
export function confirmedAddress(next: string | undefined): string {
  return withNext('/auth/sign-in?notice=confirmed&', next)
}

/** A page of ours with the address that it leads on to. `path` has no query yet, or ends in `&`. */
export function withNext(path: string, next: string | undefined): string {
  if (next === undefined) return path.replace(/[?&]$/, '')
  return `${path}${path.includes('?') ? '' : '?'}next=${encodeURIComponent(next)}`
}

function pathAlone(value: string, publicUrl: string): string | undefined {
  const [path = ''] = value.split(/[?#]/, 1)
  return path.length > longest ? undefined : returnAddress(path, publicUrl)
}
