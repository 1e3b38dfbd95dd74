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
    /** Of the pages of `gatehouse dev`, which are there in development alone. */
    developmentMail: `${path}/dev/mail`,
    developmentSignIn: `${path}/dev/sign-in`,
    forgotPassword: `${path}/forgot-password`,
    /** Of the pages that ask before a mailed link is spent. */
    links: `${path}/link`,
    resetPassword: `${path}/reset-password`,
    secondFactor: `${path}/second-factor`,
    signIn,
    signOut: `${path}/sign-out`,
    signUp: `${path}/sign-up`,
    /** The sign-in page that leads on to `next`; the plain page where `next` is undefined. */
    signInTo: (next: string | undefined) => withNext(signIn, next),
    /** The same with a notice. */
    signInWith: (notice: string, next?: string | undefined) => withNext(`${signIn}?notice=${notice}&`, next),
    /** The sign-in page for people who are signed in already. */
    signInAgain: (next: string | undefined) => withNext(`${signIn}?again&`, next)
  }
}

/** A page's path with the address that it leads on to. `path` has no query, or ends in `&`. */
function withNext(path: string, next: string | undefined): string {
  if (next === undefined) return path.replace(/[?&]$/, '')
  return `${path}${path.includes('?') ? '' : '?'}next=${encodeURIComponent(next)}`
}
