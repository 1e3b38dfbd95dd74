/** When sessions end however long they were prolonged to; Infinity where they do not. In ms. */
export interface SessionAges {
  /** So long after they were last used, as far as that was noted. */
  readonly idleMs: number
  /** So long after they began. */
  readonly absoluteMs: number
}

/** Sessions that end when they expire, and not before. */
export const ageless: SessionAges = { idleMs: Number.POSITIVE_INFINITY, absoluteMs: Number.POSITIVE_INFINITY }

/** When a session began, was last used, and expires. */
interface Times<T> {
  readonly createdAt: T
  readonly updatedAt: T
  readonly expiresAt: T
}

/** When a session ends. All times in ms since the epoch. */
export function endOfSession({ createdAt, updatedAt, expiresAt }: Times<number>, ages: SessionAges): number {
  return Math.min(expiresAt, endOf(updatedAt, ages.idleMs), endOf(createdAt, ages.absoluteMs))
}

/** The same of a row. */
export function endOfRow({ createdAt, updatedAt, expiresAt }: Times<Date>, ages: SessionAges): number {
  const [began, used, expires] = [createdAt.getTime(), updatedAt.getTime(), expiresAt.getTime()]
  return endOfSession({ createdAt: began, updatedAt: used, expiresAt: expires }, ages)
}

// A time that is no number, as Postgres' `infinity`, must not keep a session alive.
function endOf(from: number, ageMs: number): number {
  if (ageMs === Number.POSITIVE_INFINITY) return ageMs
  return Number.isNaN(from) ? Number.NEGATIVE_INFINITY : from + ageMs
}
