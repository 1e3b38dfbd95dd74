import { afterPrefix, isBetterAuthCookie } from './better-auth-cookie-names.ts'
import { readCookie, withTokenNames } from './cookie-header.ts'
import type { CookieSigner } from './signed-cookie.ts'

export interface BetterAuthCookiesOptions {
  /** Of the names of all cookies, up to the dot. */
  readonly prefix: string
  readonly signer: CookieSigner
  /** BetterAuth's `session.expiresIn`, in seconds. */
  readonly sessionSeconds: number
}

export type BetterAuthCookies = ReturnType<typeof createBetterAuthCookies>

/** The one place that BetterAuth's cookies and its plugins' pass, on their way to it and to the browser. */
export function createBetterAuthCookies({ prefix, signer, sessionSeconds }: BetterAuthCookiesOptions) {
  const own = `${prefix}.`
  const https = prefix.startsWith('__Host-')
  const session = `${own}session_token`
  const mark = `${own}dont_remember`
  const adminSession = `${own}admin_session`
  const attributes = `Path=/; HttpOnly; ${https ? 'Secure; ' : ''}SameSite=Lax`
  const expiredMark = `${mark}=; Max-Age=0; ${attributes}`
  const tokenOf = (value: string) => signer.verify(value)?.token

  function named(setCookie: string): string {
    const rest = afterPrefix(setCookie)
    // What scripts are to read they look for under the name that the plugin gave it.
    if (rest === null || !isHttpOnly.test(setCookie)) return setCookie
    return https ? withHostAttributes(own + rest) : own + rest
  }

  /**
   * The mark of a session that was signed in without "remember me" belongs to the session beside it, and goes with it: a
   * session whose cookie lasts has none, and one whose cookie ends with the browser keeps its own.
   */
  function settleMark(sent: Map<string, string>, header: string): void {
    const setCookie = sent.get(session)
    if (setCookie === undefined) return
    const value = setCookie.slice(session.length + 1).split(';', 1)[0] ?? ''
    const before = readCookie(header, session)
    const marked = readCookie(header, mark)
    if (value === '') {
      // The first of two factors leaves a mark of its own for the second.
      if (marked.kind !== 'absent' && !sent.has(mark)) sent.set(mark, expiredMark)
      return
    }
    const isSame = before.kind === 'present' && tokenOf(before.value) === tokenOf(value)
    const isMarked = marked.kind === 'present' && tokenOf(marked.value) !== undefined
    // The session goes on, on a path that may also begin one, and so was not shown the mark.
    if (isSame && isMarked) sent.set(session, setCookie.replace(maxAge, ''))
    if (!maxAge.test(sent.get(session) ?? '')) {
      if (sent.get(mark)?.startsWith(`${mark}=;`) === true) sent.delete(mark)
    } else if (marked.kind !== 'absent' || sent.has(mark)) sent.set(mark, expiredMark)
  }

  /**
   * What in a `Cookie` header the previous secret signed and what lasts as long as a session, as `Set-Cookie` values that the
   * current one signs, by their names. Everything else that is signed is over within minutes.
   */
  function signedAnew(header: string): Map<string, string> {
    const anew = new Map<string, string>()
    if (!signer.isRotating) return anew
    const isMarked = readCookie(header, mark).kind !== 'absent'
    for (const [name, value] of cookiesOf(header)) {
      if (name !== session && name !== mark && name !== adminSession && !name.startsWith(`${session}_multi-`)) continue
      const verified = signer.verify(value)
      if (verified?.isOutdated !== true) continue
      const lasts = name !== mark && !(name === session && isMarked)
      anew.set(name, `${name}=${verified.key}; ${lasts ? `Max-Age=${sessionSeconds}; ` : ''}${attributes}`)
    }
    return anew
  }

  function withCurrentSignature(pair: string): string {
    const equals = pair.indexOf('=')
    if (!signer.isRotating || !pair.trimStart().startsWith(own)) return pair
    const verified = signer.verify(pair.slice(equals + 1).trim())
    return verified?.isOutdated === true ? `${pair.slice(0, equals)}=${verified.key}` : pair
  }

  return {
    /** The session's cookies, where the previous secret signed them, as `Set-Cookie` values that the current one signs. */
    signedAnew: (header: string): string[] => [...signedAnew(header).values()],

    /**
     * A `Cookie` header as BetterAuth sees it on this path below its base: only names that are tokens, and of those that
     * begin like BetterAuth's only this gateway's. A neighbour's on the same host, or those of yesterday's port, would be
     * counted by a plugin that looks through all names, and expired by it. Where a session begins, an earlier one's mark
     * is left out: BetterAuth would take it for this one's. What the previous secret signed is signed with the current one,
     * which is all that BetterAuth knows.
     */
    forBetterAuth(header: string, path: string): string {
      const isLeftOut = (pair: string) => {
        if (!isBetterAuthCookie(pair)) return false
        const [name = ''] = pair.trimStart().split('=', 1)
        return !name.startsWith(own) || (name.trimEnd() === mark && beginsSession.test(path))
      }
      const pairs = withTokenNames(header).split(';')
      return pairs
        .filter((pair) => !isLeftOut(pair))
        .map(withCurrentSignature)
        .join(';')
        .trimStart()
    },

    /**
     * `Set-Cookie` values as the browser that sent this `Cookie` header is sent them. Whatever names one of BetterAuth's
     * cookies has this gateway's prefix: multi-session expires its cookies under names in lower case and knows `__Secure-`
     * alone, and browsers tell `__host-` from `__Host-`. Of several values for one name the last is left.
     */
    forBrowser(setCookies: readonly string[], header: string): string[] {
      const sent = new Map<string, string>()
      for (const setCookie of setCookies.map(named)) {
        const name = setCookie.slice(0, setCookie.indexOf('='))
        sent.delete(name)
        sent.set(name, setCookie)
      }
      settleMark(sent, header)
      for (const [name, setCookie] of signedAnew(header)) if (!sent.has(name)) sent.set(name, setCookie)
      return [...sent.values()]
    }
  }
}

function cookiesOf(header: string): [name: string, value: string][] {
  return withTokenNames(header)
    .split(';')
    .map((pair) => {
      const equals = pair.indexOf('=')
      return [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()]
    })
}

const isHttpOnly = /;\s*httponly\s*(?:;|$)/i
const maxAge = /;\s*max-age=\d+/i

// Each of them may begin a session without being told whether to remember it.
const beginsSession =
  /^\/(?:sign-in|sign-up|callback|oauth2\/callback|oauth-proxy-callback|one-tap\/callback|magic-link\/verify|siwe\/verify|passkey\/verify-authentication|one-time-token\/verify|verify-email|email-otp\/verify-email|phone-number\/verify|sso)(?:\/|$)/

// Browsers take a `__Host-` cookie only with these attributes (RFC 6265bis, section 4.1.3.2).
function withHostAttributes(setCookie: string): string {
  const [pair, ...attributes] = setCookie.split(';')
  const others = attributes.filter((attribute) => !/^\s*(?:domain|path|secure)\s*(?:=|$)/i.test(attribute))
  return [pair, ' Path=/', ...others, ' Secure'].join(';')
}
