import { createHash } from 'node:crypto'
import type { SessionRecord } from '../db/sessions.ts'
import { anonymous, type Identity, type SessionVerdict } from './identity.ts'
import type { SessionReference } from './live-sessions.ts'

/** What the store said. `record: null`: there is no such session, or no longer. Times in ms on the clock that never goes back. */
export interface Reading {
  readonly record: SessionRecord | null
  /** When the store was asked: a decision is as old as what it may not have seen. */
  readonly readAt: number
  /** When the session itself ends; Infinity for `record: null`. */
  readonly endsAt: number
}

/** What a look-up found. `identity: null` remembers a well-signed cookie whose session does not exist. */
export interface Decision extends Pick<Reading, 'readAt' | 'endsAt'> {
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

/** Judges what was read, and has it remembered. */
export function decide(
  { record, readAt, endsAt }: Reading,
  setCookies: readonly string[],
  remember: (decision: Decision) => void
): SessionVerdict {
  if (record === null) {
    remember({ identity: null, readAt, endsAt })
    return anonymous
  }
  const { token, userId, email, emailVerified, sessionId, expiresAt } = record
  const identity: Identity = Object.freeze({ userId, email, emailVerified, sessionId })
  references.set(identity, { token, session: subjectOf(token), user: subjectOf(userId), expiresAt })
  remember({ identity, readAt, endsAt })
  return identified(identity, setCookies)
}
