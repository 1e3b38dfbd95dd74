import { liesUnder } from '../own-paths.ts'
import type { PageAddresses } from './page-addresses.ts'

const longestAddress = 2_048
const localPath = /^\/(?![/\\])/
// What some parser of URLs reads as a second slash, as the end of the path, or drops.
const ambiguous = /[\\\u0000-\u0020\u007f-\u009f]|%(?:[01][0-9a-f]|5c|7f)|(?:\/|%2f){2}/i
// The URL parser drops tabs and line breaks wherever they stand.
const controlCharacters = /[\u0000-\u001f\u007f]/

/**
 * The address that a person goes on to after signing in: path, query and fragment on this origin, or undefined where
 * `value` is anything else, or one of the sign-in pages. Of an address longer than 2,048 bytes only the path is kept.
 */
export function returnAddress(value: unknown, publicUrl: string, pages: PageAddresses): string | undefined {
  if (typeof value !== 'string' || !localPath.test(value)) return undefined
  const [path = ''] = value.split(/[?#]/, 1)
  if (Buffer.byteLength(value) > longestAddress)
    return Buffer.byteLength(path) > longestAddress ? undefined : returnAddress(path, publicUrl, pages)
  if (!URL.canParse(value, publicUrl)) return undefined
  const url = new URL(value, publicUrl)
  const address = url.pathname + url.search + url.hash
  // The result is checked as well as the value: `/.//evil.example` resolves to `//evil.example`.
  if (url.origin !== new URL(publicUrl).origin || !localPath.test(address)) return undefined
  if (ambiguous.test(path) || controlCharacters.test(value)) return undefined
  const isPage = liesUnder(url.pathname, pages.path)
  const needsSession = [pages.account, pages.links].some((page) => liesUnder(url.pathname, page))
  return isPage && !needsSession ? undefined : address
}
