/**
 * What the failure of a statement means. `away`: the database could not answer. `input`: it refused the values (bad data,
 * a broken constraint, a limit of its own; SQLSTATE classes 22, 23, 54). `broken`: it refused the statement as wrong or
 * not allowed (class 42).
 */
export type FailureKind = 'away' | 'input' | 'broken'

/** Whether what a statement or connection attempt rejected with means that the store could not answer. */
export function isStoreFailure(error: unknown): boolean {
  return failureKind(error) === 'away'
}

/** What the failure of a statement or connection attempt means. Looks through `cause`. */
export function failureKind(error: unknown): FailureKind {
  const state = sqlState(error)
  return (state === undefined ? undefined : kindOfClass[state.slice(0, 2)]) ?? 'away'
}

const kindOfClass: Readonly<Record<string, FailureKind>> = { 22: 'input', 23: 'input', 42: 'broken', 54: 'input' }

/** The SQLSTATE that Postgres gave, looked for through `cause`; undefined when the error is none of Postgres'. */
export function sqlState(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    // Five characters with a digit among them: 'EPIPE' is a code of the operating system.
    if ('code' in at && typeof at.code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(at.code)) return at.code
  }
  return undefined
}

// SQLSTATE classes of a server that answers and still cannot be used: connection, sign-in, database, resources,
// operator intervention, system error, internal error.
const unavailableClasses = new Set(['08', '28', '3D', '53', '57', '58', 'XX'])

/** Whether what a statement or connection attempt rejected with means that the database cannot be used now, by anybody. */
export function isUnavailable(error: unknown): boolean {
  const state = sqlState(error)
  return state === undefined ? isStoreFailure(error) : unavailableClasses.has(state.slice(0, 2))
}
