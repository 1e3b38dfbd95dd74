import { createHash } from 'node:crypto'
import { isBanned, type SessionRecord } from '../db/session-queries.ts'
import { anonymous, type Identity, type SessionVerdict } from './identity.ts'
import type { SessionReference } from './live-sessions.ts'

/** What the store said. `record: null`: there is no such session, or no longer. Times in ms on the clock that never goes back. */
export interface Reading {
  readonly record: SessionRecord | null
  /** When the store was asked: a decision is as old as what it may not have seen. */
  readonly readAt: number
  /** Whom it is about, as `subjectOf` calls them, banned users included; null where nobody is known. */
  readonly user: string | null
  /** When the session itself ends; for `record: null` when a ban does, Infinity without one. */
  readonly endsAt: number
}

/**
 * What a record says: that of an expired session, or of somebody banned, is none. `askedAt` and `now` are when it was
 * asked for and when it came, in ms since the epoch; `readAt` is the former on the other clock.
 */
export function readingOf(
  record: SessionRecord | null,
  { readAt, askedAt, now }: { readonly readAt: number; readonly askedAt: number; readonly now: number }
): Reading {
  if (record === null || record.expiresAt <= now) {
    return { record: null, user: null, readAt, endsAt: Number.POSITIVE_INFINITY }
  }
  const user = subjectOf(record.userId)
  const { bannedUntil, expiresAt } = record
  const banned = bannedUntil !== null && isBanned(bannedUntil, now)
  if (banned) return { record: null, user, readAt, endsAt: readAt + bannedUntil - askedAt }
  return { record, user, readAt, endsAt: readAt + expiresAt - askedAt }
}

/** What a look-up found. `identity: null` remembers a well-signed cookie whose session does not exist. */
export interface Decision extends Pick<Reading, 'user' | 'readAt' | 'endsAt'> {
  readonly identity: Identity | null
}

/** The name under which a session (by its token) or a user (by their id) is evicted: what an event may say aloud. */
export function subjectOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

const verdicts = new WeakMap<Identity, SessionVerdict>()
// Beside the identity and not in it: nobody who is handed one can pass the token on.
const references = new WeakMap<Identity, SessionReference>()
const none: readonly string[] = Object.freeze([])

/** The session behind an identity that `decide` made. */
export function referenceOf(identity: Identity): SessionReference | undefined {
  return references.get(identity)
}

/** The verdict for this identity; without cookies always the same one. */
export function identified(identity: Identity, setCookies: readonly string[] = none): SessionVerdict {
  if (setCookies.length > 0) return { outcome: 'identified', identity, setCookies }
  let verdict = verdicts.get(identity)
  if (verdict === undefined) {
    verdict = { outcome: 'identified', identity, setCookies: none }
    verdicts.set(identity, verdict)
  }
  return verdict
}

/** Who is asking in a session as it was read. */
export function identityOf(record: SessionRecord): Identity {
  const { userId, email, emailVerified, sessionId, name, role, impersonatedBy } = record
  return Object.freeze({
    userId,
    email,
    emailVerified,
    sessionId,
    name,
    signedInAt: record.createdAt,
    role,
    roles: role === null ? none : role.split(','),
    impersonatedBy
  })
}

/** Judges what was read, and has it remembered. */
export function decide(
  { record, user, readAt, endsAt }: Reading,
  setCookies: readonly string[],
  remember: (decision: Decision) => void
): SessionVerdict {
  if (record === null) {
    remember({ identity: null, user, readAt, endsAt })
    return anonymous
  }
  const { token, userId, expiresAt } = record
  const identity = identityOf(record)
  references.set(identity, { token, userId, session: subjectOf(token), user: user ?? subjectOf(userId), expiresAt })
  remember({ identity, user, readAt, endsAt })
  return identified(identity, setCookies)
}
