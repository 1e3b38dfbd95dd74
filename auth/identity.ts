/** Who is asking: one user of one live session, as the session store had it when it was read. Never mutated. */
export interface Identity {
  readonly userId: string
  readonly email: string
  readonly emailVerified: boolean
  readonly sessionId: string
  readonly name: string
  /** When the session began, in ms since the epoch; a refresh does not change it. */
  readonly signedInAt: number
  /** The role as stored, commas included; null without BetterAuth's admin plugin. */
  readonly role: string | null
  readonly roles: readonly string[]
  /** The id of the administrator who acts as this user; null usually. */
  readonly impersonatedBy: string | null
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

export const anonymous: SessionVerdict = Object.freeze({ outcome: 'anonymous' })
