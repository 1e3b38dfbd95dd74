import type { SessionAges } from '../db/session-end-time.ts'
import type { SessionRecord } from '../db/session-queries.ts'
import { readCookie } from './cookie-header.ts'
import type { LiveSessions, TieOptions } from './end-live-connections.ts'
import { type CachedDecision, SessionCache } from './session-cache.ts'
import {
  type Decision,
  decisionOf,
  type Identity,
  referenceOf,
  type SessionVerdict,
  subjectOf,
  verdictOf
} from './session-verdict.ts'
import type { CookieSigner, VerifiedCookie } from './signed-cookie.ts'

export interface SessionResolverOptions {
  /** The full names, prefix included, of the session cookie and of the one that BetterAuth sets without "remember me". */
  readonly cookieNames: { readonly session: string; readonly dontRemember: string }
  readonly signer: CookieSigner
  /** One query. Null: no such session, or no such user. Rejects when the store cannot answer. */
  readonly readSession: (token: string) => Promise<SessionRecord | null>
  /** Has BetterAuth's own `get-session` refresh a session that is due; resolves to its `Set-Cookie` values. */
  readonly refresh: (cookieHeader: string) => Promise<readonly string[]>
  /** The `Set-Cookie` values for whoever has cookies that the previous secret signed; `living` is a token that was found alive. */
  readonly signedAnew: (cookieHeader: string, living: string) => Promise<readonly string[]>
  /**
   * Has the next request refresh the session of this token again, on whichever replica, if it was refreshed `since` then, in
   * ms since the epoch. May reject.
   */
  readonly refreshAgain: (token: string, since: number) => Promise<unknown>
  /** BetterAuth's `session.expiresIn` and `session.updateAge` in ms; `updateAgeMs: Infinity` never refreshes. */
  readonly sliding: { readonly expiresInMs: number; readonly updateAgeMs: number }
  /** When sessions end that have not expired. Default: they do not. */
  readonly ages?: SessionAges | undefined
  /**
   * How a session's use is noted, once the last note is `afterMs` old. The next reading shows whether that succeeded: it
   * may have lost a race against a sign-out.
   */
  readonly use?: { readonly afterMs: number; readonly note: (token: string) => Promise<void> } | undefined
  /** The connections that stay open, told of every change. */
  readonly live: LiveSessions
  readonly cache: { readonly ttlMs: number; readonly max: number; readonly staleMs: number }
  /** Milliseconds since the epoch: what sessions' ends are judged by. */
  readonly now: () => number
  /** Milliseconds on a monotonic clock: what decisions age by. */
  readonly monotonicNow: () => number
  /** From 0 to 1. */
  readonly random?: (() => number) | undefined
}

export type SessionResolver = ReturnType<typeof createSessionResolver>

/** Finds out who is asking: at once for a cookie whose decision is cached, with one query for any other. */
export function createSessionResolver(options: SessionResolverOptions) {
  const { signer, cookieNames, sliding, ages, use, live, now, monotonicNow } = options
  const cache = new SessionCache({ ...options.cache, monotonicNow, random: options.random })

  async function read(token: string): Promise<Decision> {
    const readAt = monotonicNow()
    const askedAt = now()
    const record = await options.readSession(token)
    return decisionOf(record, { readAt, askedAt, now: now(), ages, noteUseAfterMs: use?.afterMs })
  }

  function lookUp({ token, key }: VerifiedCookie, cookieHeader: string): Promise<SessionVerdict> {
    // A refresh changes the session and so cancels the look-up that asked for it; its cookies outlive the repetition.
    const setCookies: string[] = []
    return cache.share(key, subjectOf(token), async (remember) => {
      try {
        let decision = await read(token)
        if (isDue(decision, cookieHeader)) {
          setCookies.push(...(await options.refresh(cookieHeader).catch(() => [])))
          // Whether the refresh succeeded is told by the store alone: it may have lost a race against a sign-out, or the
          // store may be readable and not writable.
          decision = await read(token)
        }
        if (use !== undefined && decision.noteUseAt <= decision.readAt) {
          await use.note(token).catch(() => {})
          decision = await read(token)
        }
        remember(decision)
        return verdictOf(decision.identity, setCookies)
      } catch (cause) {
        return withoutStore(key, cause, setCookies)
      }
    })
  }

  // For no request: a session that is due for a refresh is left to a request, whose response can carry its cookies.
  function readAhead(identity: Identity, key: string, cookieHeader: string): void {
    const reference = referenceOf(identity)
    if (reference === undefined) return
    cache.readAhead(key, reference.session, async (remember) => {
      try {
        const decision = await read(reference.token)
        if (isDue(decision, cookieHeader) || decision.noteUseAt <= decision.readAt) return undefined
        remember(decision)
        return verdictOf(decision.identity)
      } catch (cause) {
        return withoutStore(key, cause)
      }
    })
  }

  function withoutStore(key: string, cause: unknown, setCookies?: readonly string[]): SessionVerdict {
    const identity = cache.getStale(key)?.identity
    return identity == null ? { outcome: 'unavailable', cause } : verdictOf(identity, setCookies)
  }

  // BetterAuth's rule: expiresAt - expiresIn + updateAge <= now.
  function isDue({ identity }: Decision, cookieHeader: string): boolean {
    const expiresAt = identity === null ? undefined : referenceOf(identity)?.expiresAt
    if (expiresAt === undefined || expiresAt - sliding.expiresInMs + sliding.updateAgeMs > now()) return false
    // A session without "remember me" lasts for a day and so always looks due; a refresh would prolong it to a week.
    const cookie = readCookie(cookieHeader, cookieNames.dontRemember)
    return cookie.kind === 'absent' || (cookie.kind === 'present' && signer.verify(cookie.value) === null)
  }

  function reuse({ identity, readAheadDue }: CachedDecision, key: string, cookieHeader: string): SessionVerdict {
    if (identity !== null && readAheadDue) readAhead(identity, key, cookieHeader)
    return verdictOf(identity)
  }

  // The cookies of a refresh are signed anew already.
  async function signedAnew(verdict: SessionVerdict, cookieHeader: string, token: string): Promise<SessionVerdict> {
    if (verdict.outcome !== 'identified' || verdict.setCookies.length > 0) return verdict
    return verdictOf(verdict.identity, await options.signedAnew(cookieHeader, token))
  }

  // Eviction first: whoever reads the session again must not find the old decision.
  function evictSession(session: string): void {
    cache.evictSession(session)
    live.sessionChanged(session)
  }

  function evictUser(user: string): void {
    cache.evictUser(user)
    live.userChanged(user)
  }

  function clear(): void {
    cache.clear()
    live.anythingChanged()
  }

  return {
    /** `cookieValue` is the session cookie's raw value, `cookieHeader` all of the header. Never rejects. */
    resolve(cookieValue: string, cookieHeader: string): SessionVerdict | Promise<SessionVerdict> {
      // A raw value that is a key was verified when it was cached: a hit costs no HMAC.
      const hit = cache.get(cookieValue)
      if (hit !== undefined) return reuse(hit, cookieValue, cookieHeader)
      const verified = signer.verify(cookieValue)
      if (verified === null) return verdictOf(null)
      const { key, token, isOutdated } = verified
      const cached = key === cookieValue ? undefined : cache.get(key)
      const found = cached === undefined ? lookUp(verified, cookieHeader) : reuse(cached, key, cookieHeader)
      if (!isOutdated) return found
      return Promise.resolve(found).then((verdict) => signedAnew(verdict, cookieHeader, token))
    },
    /**
     * Ties a connection that stays open to the session of this identity: `end` is called once when the session is over,
     * and with `keepOpen` not then, but when the user is banned or deleted. Returns how to untie it.
     */
    tie(identity: Identity, end: () => void, options?: TieOptions): () => void {
      const reference = referenceOf(identity)
      return reference === undefined ? () => {} : live.tie(reference, end, options)
    },
    /**
     * The response that was to carry the cookies of this session's refresh never reached the browser: without another
     * refresh its cookie would end a week after the last one that did, however active its user. `since`: when the request began,
     * in ms since the epoch. Never throws.
     */
    refreshLost(cookieValue: string, since: number): void {
      const verified = signer.verify(cookieValue)
      if (verified !== null) options.refreshAgain(verified.token, since).catch(() => {})
    },
    /** The session of this token changed or ended: the next request reads it again. Never throws. */
    sessionChanged: (token: string): void => evictSession(subjectOf(token)),
    /** The user changed or was deleted: all of the user's sessions are read again. Never throws. */
    userChanged: (userId: string): void => evictUser(subjectOf(userId)),
    /**
     * A session event from the database or another worker: `s` or `u` and the SHA-256, in hex, of the token or user id
     * that changed, or `*` for anything. It makes decisions be read again and nothing else, so a forged one is harmless.
     * Never throws.
     */
    handleEvent(event: string): void {
      const [, kind, subject = ''] = wellFormedEvent.exec(event) ?? []
      if (kind === 's') evictSession(subject)
      else if (kind === 'u') evictUser(subject)
      else if (event === '*') clear()
    },
    /** Every decision is read again. */
    clear
  }
}

const wellFormedEvent = /^([su])([0-9a-f]{64})$/
