import { liesUnder } from '../own-paths.ts'

const longestAddress = 2_048
const localPath = /^\/(?![/\\])/
// What some parser of URLs reads as a second slash, as the end of the path, or drops.
const ambiguous = /[\\\u0000-\u0020\u007f-\u009f]|%(?:[01][0-9a-f]|2f|5c|7f)/i
// The URL parser drops tabs and line breaks wherever they stand.
const controlCharacters = /[\u0000-\u001f\u007f]/

/** The addresses of the built-in pages, all of them below one path. */
export type PageAddresses = Readonly<ReturnType<typeof pageAddresses>>

/** The addresses below `path`, which has no slash at its end. */
export function pageAddresses(path: string) {
  const signIn = `${path}/sign-in`
  return {
    path,
    account: `${path}/account`,
    /** With a slash at its end. */
    assets: `${path}/assets/`,
    forgotPassword: `${path}/forgot-password`,
    resetPassword: `${path}/reset-password`,
    signIn,
    signOut: `${path}/sign-out`,
    signUp: `${path}/sign-up`,
    /** The sign-in page that leads on to `next`; the plain page where `next` is undefined. */
    signInTo: (next: string | undefined) => withNext(signIn, next),
    /** The same with a notice. */
    signInWith: (notice: string, next?: string | undefined) => withNext(`${signIn}?notice=${notice}&`, next),
    /** The sign-in page for people who are signed in already. */
    signInAgain: (next: string | undefined) => withNext(`${signIn}?again&`, next),
    /**
     * Where a mailed link that confirms an address leads: to the sign-in page, which says that the address is confirmed
     * and leads on to `next`.
     */
    confirmed: (next: string | undefined) => withNext(`${signIn}?notice=confirmed&`, next)
  }
}

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
  if (ambiguous.test(path) || path.includes('//') || controlCharacters.test(value)) return undefined
  const isPage = liesUnder(url.pathname, pages.path)
  return isPage && !liesUnder(url.pathname, pages.account) ? undefined : address
}

/** A page's path with the address that it leads on to. `path` has no query, or ends in `&`. */
export function withNext(path: string, next: string | undefined): string {
  if (next === undefined) return path.replace(/[?&]$/, '')
  return `${path}${path.includes('?') ? '' : '?'}next=${encodeURIComponent(next)}`
}
