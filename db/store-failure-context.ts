import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * What the failure of a statement means. `away`: the database could not answer. `input`: it refused the values (bad data,
 * a broken constraint, a limit of its own; SQLSTATE classes 22, 23, 54). `broken`: it refused the statement as wrong or
 * not allowed (class 42).
 */
export type FailureKind = 'away' | 'input' | 'broken'

/** What is collected for everybody who watches, the innermost first. */
const watchers = new AsyncLocalStorage<readonly Set<FailureKind>[]>()

/** What watched work resolved or rejected to, and how statements failed in it, even where the work swallowed the failure. */
export type Watched<T> = (
  | { readonly ok: true; readonly result: T }
  | { readonly ok: false; readonly error: unknown }
) & {
  /** A statement or a connection attempt failed because the store could not answer. */
  readonly storeFailed: boolean
  readonly failures: ReadonlySet<FailureKind>
}

/**
 * Runs work and tells whether a statement or a connection attempt in it failed, and how. BetterAuth turns some of those
 * failures into "not signed in", and its caller could not tell an outage from a missing session. Never rejects.
 */
export async function watchStoreFailures<T>(work: () => Promise<T>): Promise<Watched<T>> {
  const failures = new Set<FailureKind>()
  const all = [failures, ...(watchers.getStore() ?? [])]
  try {
    // A drizzle query starts when it is awaited, which has to happen inside the context.
    const result = await watchers.run(all, async () => await work())
    return { ok: true, result, storeFailed: failures.has('away'), failures }
  } catch (error) {
    return { ok: false, error, storeFailed: failures.has('away'), failures }
  }
}

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
// A statement after another one failed in the same transaction; that other one has been reported.
const consequence = '25P02'

/** The SQLSTATE that Postgres gave, looked for through `cause`; undefined when the error is none of Postgres'. */
export function sqlState(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    // Five characters with a digit among them: 'EPIPE' is a code of the operating system.
    if ('code' in at && typeof at.code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(at.code)) return at.code
  }
  return undefined
}

/**
 * Runs one statement or connection attempt, and tells those who watch for failures if it fails. Resolves and rejects as
 * the work does. The context is that of the start, since a driver may reject in that of somebody else.
 */
export async function reportFailure<T>(work: () => Promise<T>): Promise<T> {
  const told = watchers.getStore() ?? []
  try {
    return await work()
  } catch (error) {
    if (sqlState(error) !== consequence) for (const failures of told) failures.add(failureKind(error))
    throw error
  }
}
