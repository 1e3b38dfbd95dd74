import { createHash } from 'node:crypto'
import { ageless, endOfSession, type SessionAges } from '../db/session-end-time.ts'
import { isBanned, type SessionRecord } from '../db/session-queries.ts'
import type { SessionReference } from './end-live-connections.ts'

/** Who is asking: one user of one live session, as the session store had it when it was read. Never mutated. */
export interface Identity
  extends Readonly<Omit<SessionRecord, 'token' | 'createdAt' | 'updatedAt' | 'expiresAt' | 'bannedUntil'>> {
  /** When the session began, in ms since the epoch; a refresh does not change it. */
  readonly signedInAt: number
  readonly roles: readonly string[]
}

/** The three answers to "who is asking?". `unavailable` is never read as "no", and never as "yes". */
export type SessionVerdict =
  | {
      readonly outcome: 'identified'
      readonly identity: Identity
      /** `Set-Cookie` values of a sliding refresh; they belong on this response. */
      readonly setCookies: readonly string[]
    }
  | { readonly outcome: 'anonymous' }
  | { readonly outcome: 'unavailable'; readonly cause: unknown }

/** What a look-up of a well-signed cookie found. Times in ms on the monotonic clock. */
export interface Decision {
  /** Null when the session does not exist, is over, or is that of a banned user. */
  readonly identity: Identity | null
  /** The user's hash as `subjectOf` makes it, banned users included; null when there is no session. */
  readonly user: string | null
  /** When the store was asked: what changed afterwards may be missing from the decision. */
  readonly readAt: number
  /** When the session ends; for a banned user when the ban does; Infinity when neither is known to. */
  readonly endsAt: number
  /** When the next use of the session has to be noted, so that until then the decision is enough; Infinity if never. */
  readonly noteUseAt: number
}

/** The session behind an identity. */
interface StoredSession extends SessionReference {
  /** What its row says, in ms since the epoch: it may end before. */
  readonly expiresAt: number
}

const anonymous: SessionVerdict = Object.freeze({ outcome: 'anonymous' })
const noCookies: readonly string[] = Object.freeze([])
const verdicts = new WeakMap<Identity, SessionVerdict>()
// Kept beside the identity and not in it, so that nobody who is handed an identity can pass the token on.
const references = new WeakMap<Identity, StoredSession>()

/** When a decision was made, and by what rules. */
export interface DecisionTerms {
  /** When the store was asked and when it answered, in ms since the epoch. */
  readonly askedAt: number
  readonly now: number
  /** `askedAt` on the monotonic clock. */
  readonly readAt: number
  readonly ages?: SessionAges | undefined
  /** How old the note of a session's last use may be, in ms. */
  readonly noteUseAfterMs?: number | undefined
}

/** What a record says about who is asking. */
export function decisionOf(
  record: SessionRecord | null,
  { readAt, askedAt, now, ages = ageless, noteUseAfterMs = Number.POSITIVE_INFINITY }: DecisionTerms
): Decision {
  const never = Number.POSITIVE_INFINITY
  const endsAt = record === null ? now : endOfSession(record, ages)
  if (record === null || endsAt <= now) {
    return { identity: null, user: null, readAt, endsAt: never, noteUseAt: never }
  }
  const { token, userId, bannedUntil, expiresAt, updatedAt: usedAt } = record
  const user = subjectOf(userId)
  if (bannedUntil !== null && isBanned(bannedUntil, now)) {
    return { identity: null, user, readAt, endsAt: readAt + bannedUntil - askedAt, noteUseAt: never }
  }
  const identity = identityOf(record)
  references.set(identity, { token, userId, session: subjectOf(token), user, endsAt, expiresAt })
  const noteUseAt = readAt + usedAt + noteUseAfterMs - askedAt
  return { identity, user, readAt, endsAt: readAt + endsAt - askedAt, noteUseAt }
}

/** Who is asking in a session as it was read. */
export function identityOf(record: SessionRecord): Identity {
  const { userId, email, emailVerified, sessionId, name, createdAt: signedInAt, role, impersonatedBy, told } = record
  const roles = role?.split(',') ?? []
  return Object.freeze({ userId, email, emailVerified, sessionId, name, signedInAt, role, roles, impersonatedBy, told })
}

/** The session behind an identity that `decisionOf` made. */
export function referenceOf(identity: Identity): StoredSession | undefined {
  return references.get(identity)
}

/** The verdict for this identity: the same object each time, unless there are cookies. */
export function verdictOf(identity: Identity | null, setCookies: readonly string[] = noCookies): SessionVerdict {
  if (identity === null) return anonymous
  if (setCookies.length > 0) return { outcome: 'identified', identity, setCookies }
  let verdict = verdicts.get(identity)
  if (verdict === undefined) {
    verdict = { outcome: 'identified', identity, setCookies }
    verdicts.set(identity, verdict)
  }
  return verdict
}

/** The hash by which events name a session (by its token) or a user (by their id) without revealing either. */
export function subjectOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
