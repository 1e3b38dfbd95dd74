import type { SessionRecord } from '../db/session-queries.ts'
import { anonymous, type Identity, type SessionVerdict } from './identity.ts'
import type { LiveSessions, TieOptions } from './live-sessions.ts'
import { type Held, SessionCache } from './session-cache.ts'
import { type CookieSigner, readCookie } from './session-cookie.ts'
import {
  type Decision,
  decide,
  identified,
  type Reading,
  readingOf,
  referenceOf,
  subjectOf
} from './session-decision.ts'

export interface SessionResolverOptions {
  /** The session cookie's full name, prefix included, and that of the mark that BetterAuth sets without "remember me". */
  readonly cookieNames: { readonly session: string; readonly dontRemember: string }
  readonly signer: CookieSigner
  /** One query. Null: no such session, or no such user. Rejects when the store cannot answer. */
  readonly readSession: (token: string) => Promise<SessionRecord | null>
  /** BetterAuth's own `get-session` for a session that is due, with the session `Set-Cookie` values it answers. */
  readonly refresh: (cookieHeader: string) => Promise<readonly string[]>
  /** BetterAuth's `session.expiresIn` and `session.updateAge` in ms; `updateAgeMs: Infinity` never refreshes. */
  readonly sliding: { readonly expiresInMs: number; readonly updateAgeMs: number }
  /** The connections that stay open, told of every change. */
  readonly live: LiveSessions
  readonly cache: { readonly ttlMs: number; readonly max: number; readonly staleMs: number }
  /** Milliseconds since the epoch: what sessions' ends are judged by. */
  readonly now: () => number
  /** Milliseconds on a clock that nobody sets: what decisions age by. */
  readonly elapsed: () => number
  /** From 0 to 1. */
  readonly random?: (() => number) | undefined
}

/** Answers who is asking: at once for a cookie that was read a moment ago, with one query for one that was not. */
export interface SessionResolver {
  /** `cookieValue` is the session cookie's raw value, `cookieHeader` all of the header. Never rejects. */
  resolve(cookieValue: string, cookieHeader: string): SessionVerdict | Promise<SessionVerdict>
  /**
   * Ties a connection that stays open to the session of this identity: `end` is called once when the session is over,
   * and with `keepOpen` not then, but when the user is banned or gone. Answers how to untie it.
   */
  tie(identity: Identity, end: () => void, options?: TieOptions): () => void
  /** The session of this token changed or ended: the next request reads it again. Never throws. */
  sessionChanged(token: string): void
  /** The user changed or is gone: all of the user's sessions are read again. Never throws. */
  userChanged(userId: string): void
  /**
   * A hint from elsewhere: `s` or `u` and the SHA-256, in hex, of the token or user id that changed, or `*` for anything.
   * It makes decisions be read again and nothing else, so a forged one is harmless. Never throws.
   */
  heard(event: string): void
  /** Every decision is read again. */
  clear(): void
}

export function createSessionResolver(options: SessionResolverOptions): SessionResolver {
  const { signer, cookieNames, sliding, live, now, elapsed } = options
  const cache = new SessionCache<SessionVerdict>({ ...options.cache, elapsed, random: options.random })

  async function lookUp(
    token: string,
    key: string,
    cookieHeader: string,
    setCookies: string[],
    remember: (decision: Decision) => void
  ): Promise<SessionVerdict> {
    try {
      const found = await read(token)
      if (!isDue(found, cookieHeader)) return decide(found, setCookies, remember)
      setCookies.push(...(await options.refresh(cookieHeader).catch(() => noCookies)))
      // What the store says now counts, whatever became of the refresh: it may have lost a race against a sign-out, or
      // have met a store that can be read and not written.
      return decide(await read(token), setCookies, remember)
    } catch (cause) {
      return withoutStore(key, cause, setCookies)
    }
  }

  /** A look-up for nobody in particular. A session that is due is left to a request, whose answer can carry its cookies. */
  async function lookAhead(
    token: string,
    key: string,
    cookieHeader: string,
    remember: (decision: Decision) => void
  ): Promise<SessionVerdict | undefined> {
    try {
      const found = await read(token)
      return isDue(found, cookieHeader) ? undefined : decide(found, noCookies, remember)
    } catch (cause) {
      return withoutStore(key, cause, noCookies)
    }
  }

  function withoutStore(key: string, cause: unknown, setCookies: readonly string[]): SessionVerdict {
    const stale = cache.getStale(key)?.identity
    return stale == null ? { outcome: 'unavailable', cause } : identified(stale, setCookies)
  }

  async function read(token: string): Promise<Reading> {
    const readAt = elapsed()
    const askedAt = now()
    const record = await options.readSession(token)
    return readingOf(record, { readAt, askedAt, now: now() })
  }

  // BetterAuth's rule: expiresAt - expiresIn + updateAge <= now.
  function isDue({ record }: Reading, cookieHeader: string): boolean {
    if (record === null || record.expiresAt - sliding.expiresInMs + sliding.updateAgeMs > now()) return false
    return !isNotRemembered(cookieHeader)
  }

  // A session without "remember me" lives for a day and so always looks due; a refresh would stretch it to a week.
  function isNotRemembered(cookieHeader: string): boolean {
    const mark = readCookie(cookieHeader, cookieNames.dontRemember)
    return mark.kind === 'ambiguous' || (mark.kind === 'present' && signer.verify(mark.value) !== null)
  }

  function reuse(held: Held, key: string, cookieHeader: string): SessionVerdict {
    const { identity } = held
    if (identity === null) return anonymous
    if (held.aging) readAhead(identity, key, cookieHeader)
    return identified(identity)
  }

  function readAhead(identity: Identity, key: string, cookieHeader: string): void {
    const reference = referenceOf(identity)
    if (reference === undefined) return
    const { token, session } = reference
    cache.readAhead(key, session, (remember) => lookAhead(token, key, cookieHeader, remember))
  }

  // Eviction first: what reads a session again must not find the decision that is in doubt.
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
    resolve(cookieValue, cookieHeader) {
      // A raw value that is a key was verified when it was put there: a hit costs no HMAC.
      const hit = cache.get(cookieValue)
      if (hit !== undefined) return reuse(hit, cookieValue, cookieHeader)
      const verified = signer.verify(cookieValue)
      if (verified === null) return anonymous
      const { token, key } = verified
      if (key !== cookieValue) {
        const held = cache.get(key)
        if (held !== undefined) return reuse(held, key, cookieHeader)
      }
      // A refresh changes the session and so cancels the look-up that asked for it; its cookies outlive the repetition.
      const setCookies: string[] = []
      return cache.share(key, subjectOf(token), (remember) => lookUp(token, key, cookieHeader, setCookies, remember))
    },
    tie(identity, end, options) {
      const reference = referenceOf(identity)
      return reference === undefined ? untied : live.tie(reference, end, options)
    },
    sessionChanged: (token) => evictSession(subjectOf(token)),
    userChanged: (userId) => evictUser(subjectOf(userId)),
    heard(event) {
      const [, kind, subject = ''] = wellFormedEvent.exec(event) ?? []
      if (kind === 's') evictSession(subject)
      else if (kind === 'u') evictUser(subject)
      else if (event === '*') clear()
    },
    clear
  }
}

const wellFormedEvent = /^([su])([0-9a-f]{64})$/
const noCookies: readonly string[] = []

function untied(): void {}
