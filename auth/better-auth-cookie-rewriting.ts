import { afterPrefix, isBetterAuthCookie } from './better-auth-cookie-names.ts'
import { readCookie, withTokenNames } from './cookie-header.ts'
import type { CookieSigner } from './signed-cookie.ts'

export interface BetterAuthCookiesOptions {
  /** Of the names of all cookies, up to the dot. */
  readonly prefix: string
  readonly signer: CookieSigner
  /** BetterAuth's `session.expiresIn`, in seconds. */
  readonly sessionSeconds: number
  /** Which of these sessions, by their tokens, have not ended; asked where the previous secret signed a cookie. May reject. */
  readonly readLiving: (tokens: readonly string[]) => Promise<ReadonlySet<string>>
}

/** A cookie that the previous secret signed, and the session that it hangs on. */
interface OutdatedCookie {
  readonly name: string
  /** As the current secret signs it. */
  readonly setCookie: string
  /** The session's. */
  readonly token: string
}

export type BetterAuthCookies = ReturnType<typeof createBetterAuthCookies>

/** The one place that BetterAuth's cookies and its plugins' pass, on their way to it and to the browser. */
export function createBetterAuthCookies({ prefix, signer, sessionSeconds, readLiving }: BetterAuthCookiesOptions) {
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
   * The token of the session that a cookie of this name with this signed text hangs on. Undefined for everything else,
   * which expires with the previous secret: the texts are exactly those that BetterAuth writes, because whoever knows that
   * secret could have any other text signed by the current one, and BetterAuth signs all its cookies alike.
   */
  function sessionOf(name: string, text: string, header: string): string | undefined {
    if (name === session) return text
    if (name === adminSession) return /^([^:]+):(?:true)?$/.exec(text)?.[1]
    if (name !== mark) return name === `${session}_multi-${text.toLowerCase()}` ? text : undefined
    const beside = readCookie(header, session)
    return text === 'true' && beside.kind === 'present' ? tokenOf(beside.value) : undefined
  }

  function outdatedIn(header: string): OutdatedCookie[] {
    if (!signer.isRotating) return []
    const isMarked = readCookie(header, mark).kind !== 'absent'
    return cookiesOf(header).flatMap(([name, value]): OutdatedCookie[] => {
      const verified = name.startsWith(own) ? signer.verify(value) : null
      if (verified?.isOutdated !== true) return []
      const token = sessionOf(name, verified.token, header)
      if (token === undefined) return []
      const lasts = name !== mark && !(name === session && isMarked)
      const setCookie = `${name}=${verified.key}; ${lasts ? `Max-Age=${sessionSeconds}; ` : ''}${attributes}`
      return [{ name, setCookie, token }]
    })
  }

  /**
   * What in a `Cookie` header the previous secret signed and what hangs on a session that has not ended, as `Set-Cookie`
   * values that the current one signs, by their names. `living` is the token of a session that was found alive already.
   */
  async function signedAnew(header: string, living?: string): Promise<Map<string, string>> {
    const outdated = outdatedIn(header)
    const asked = new Set(outdated.map(({ token }) => token).filter((token) => token !== living))
    // Not found out is not alive: these cookies are signed anew by a later answer.
    const found = asked.size === 0 ? nobody : await readLiving([...asked]).catch(() => nobody)
    const kept = outdated.filter(({ token }) => token === living || found.has(token))
    return new Map(kept.map(({ name, setCookie }) => [name, setCookie]))
  }

  function withCurrentSignature(pair: string): string {
    const equals = pair.indexOf('=')
    if (!signer.isRotating || !pair.trimStart().startsWith(own)) return pair
    const verified = signer.verify(pair.slice(equals + 1).trim())
    return verified?.isOutdated === true ? `${pair.slice(0, equals)}=${verified.key}` : pair
  }

  return {
    /**
     * The cookies of this living session and of others, where the previous secret signed them and as far as those others
     * have not ended either, as `Set-Cookie` values that the current one signs. Never rejects.
     */
    signedAnew: async (header: string, living: string): Promise<string[]> => [
      ...(await signedAnew(header, living)).values()
    ],

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
     * alone, and browsers tell `__host-` from `__Host-`. Of several values for one name the last is left. Never rejects.
     */
    async forBrowser(setCookies: readonly string[], header: string): Promise<string[]> {
      const sent = new Map<string, string>()
      for (const setCookie of setCookies.map(named)) {
        const name = setCookie.slice(0, setCookie.indexOf('='))
        sent.delete(name)
        sent.set(name, setCookie)
      }
      settleMark(sent, header)
      for (const [name, setCookie] of await signedAnew(header)) if (!sent.has(name)) sent.set(name, setCookie)
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

const nobody: ReadonlySet<string> = new Set()
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
